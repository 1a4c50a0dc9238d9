"""Parts of the benchmark of input formats."""
