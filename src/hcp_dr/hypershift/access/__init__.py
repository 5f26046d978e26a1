"""The permissions that the product needs, the roles that grant them, and whose certificates are checked."""
