"""Parts of the benchmark `dynamics`."""
