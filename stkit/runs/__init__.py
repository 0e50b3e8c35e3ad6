"""A run on disk: what is made, from what, where it lies, and how it is shown."""
