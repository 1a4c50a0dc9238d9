"""Free energies from the work of paths."""
