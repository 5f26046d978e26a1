"""The rehearsal's shared base: names, addresses, rules and files used by the other packages of the rehearsal.

This package imports no other package of the rehearsal.
"""
