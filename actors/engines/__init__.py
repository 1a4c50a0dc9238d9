"""What propagates walkers: batches of potentials, and molecules through OpenMM."""
