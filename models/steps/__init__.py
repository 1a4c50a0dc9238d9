"""Diffusion models of steps: where a molecule is a lag later, given where it is."""
