"""With what a cluster is entered."""
