"""Before any change: can this hosted cluster be relocated? Each module reads one part of the environment and returns
its findings as checks; one run reports all problems.

A danger to an invariant is blocked, and a part that could not be read is unknown; both verdicts stop the relocation. A
loss of comfort is a warning. A check is acceptable if an engineer may know better than the check.
"""
