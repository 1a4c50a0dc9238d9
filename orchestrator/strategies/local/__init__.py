"""Local moves alone."""
