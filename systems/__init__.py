"""Energies, thermodynamic states and collective variables. Imports nothing of msgen."""
