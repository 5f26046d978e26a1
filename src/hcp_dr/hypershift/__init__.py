"""Shared by the steps of the procedure, by subject: facts of HyperShift, and how to observe and change them."""
