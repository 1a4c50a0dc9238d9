"""Physical constants in the units of molecules: kJ/mol, nm, ps, g/mol, K."""

from __future__ import annotations

GAS_CONSTANT = 0.00831446261815324
"""R = k_B N_A in kJ/(mol K), 2019 SI (exact)."""
BAR = 0.0602214076
"""kJ/(mol nm³) of a bar."""
STANDARD_VOLUME = 1.0 / 0.602214076
"""nm³ that one molecule has at 1 mol/L."""
