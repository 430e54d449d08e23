"""The faces: Twisted Web resources, one per kind of answer."""
