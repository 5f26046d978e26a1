"""Before anything is touched: can this hosted cluster be relocated? Each module looks at one part of the world and says
what it found as checks; one run finds all problems.

What endangers an invariant is blocked, what could not be looked at is unknown, and both stop; what costs comfort is a
warning. Where an engineer may know better than the check, it is acceptable.
"""
