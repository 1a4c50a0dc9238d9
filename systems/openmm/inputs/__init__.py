"""Reading molecules: one module for each kind of files that they come in."""
