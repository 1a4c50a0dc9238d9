"""The campaign loop: orders out, results in, what it costs and who is lost."""
