"""Pure Markov kernels, each leaving a stated density invariant."""
