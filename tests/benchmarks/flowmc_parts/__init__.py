"""Parts of the benchmark beside flowMC."""
