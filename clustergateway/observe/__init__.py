"""What happened, for people and machines: metrics, logs, audit."""
