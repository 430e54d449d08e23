"""Which clusters there are, and where."""
