"""The ground floor of the rehearsal: names, addresses, rules and files that its other packages share.

It imports no other package of the rehearsal.
"""
