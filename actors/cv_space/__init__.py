"""Where λ may stand: strata, the density of λ given ξ, proposals, switching schedules."""
