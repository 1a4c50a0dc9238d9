"""Collective variables: batched torch functions, OpenMM forces, and single frames."""
