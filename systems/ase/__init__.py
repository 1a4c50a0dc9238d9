"""Energies from any calculator that ASE knows: of clusters and molecules in vacuum."""
