"""From ASE's units, eV and Å, to ours, kJ/mol and nm."""

from __future__ import annotations

KJ_PER_MOL = 1.602176634e-19 * 6.02214076e23 / 1000.0
"""An eV in kJ/mol, by the exact values of e and N_A (SI, 2019)."""
NM = 0.1
"""An Å in nm."""
FORCE = KJ_PER_MOL / NM
"""An eV/Å in kJ/(mol nm)."""
