"""A small shell and a few commands, run in the process itself over a file system in memory."""
