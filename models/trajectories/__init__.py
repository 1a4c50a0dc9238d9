"""Diffusion models of whole trajectories: snippets of fixed stride, learnt and made anew."""
