"""The use cases, one a file: each is a function over a `context.Context`, and the command line only calls them."""
