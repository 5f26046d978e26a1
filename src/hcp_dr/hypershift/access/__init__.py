"""The permissions of the product, the roles that grant them, and the verification of certificates."""
