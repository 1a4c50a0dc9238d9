"""A solute whose coordinates a model proposes, and the solvent driven after it."""
