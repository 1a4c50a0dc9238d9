"""Systems that OpenMM steps: molecules from files, and particles in reduced units."""
