"""States joined through models of each."""
