"""A small shop: the package that the short form of the mutation bench changes."""
