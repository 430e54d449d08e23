"""Frozen values and pure parsing. Nothing in here does I/O, knows a clock, or imports Twisted."""
