"""What the steps of the procedure share, by subject: facts of HyperShift, and how they are observed and changed."""
