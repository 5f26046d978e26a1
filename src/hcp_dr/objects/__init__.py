"""Pure functions over Kubernetes objects: selection of a hosted cluster's objects, owner references, removal of fields
that must stay on the source, layout of the backup. No sockets, files or clocks."""
