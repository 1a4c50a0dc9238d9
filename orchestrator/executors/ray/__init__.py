"""Orders done by Ray actors; ray is imported here and nowhere else."""
