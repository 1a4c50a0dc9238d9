"""Free energies from windows and temperatures."""
