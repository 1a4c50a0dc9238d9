"""Parts of the benchmark of foreign systems."""
