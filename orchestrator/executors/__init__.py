"""Where work orders run: one module per backend."""
