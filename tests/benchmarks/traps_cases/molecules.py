"""Alanine dipeptide: the demo, one CV of the two that matter, and a start that is another isomer.

alanine_cis.pdb is configs/alanine_dipeptide.pdb with ACE's ω turned by 180° and minimised in
amber99sb.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from places import CONFIGS, REFERENCES
from trials import Ended

from traps_cases.base import Trap

HERE = Path(__file__).resolve().parent
REFERENCE = json.loads((REFERENCES / "alanine_dipeptide.json").read_text())
ERROR = float(REFERENCE["stderr_kT"])
PHI = {"phi": {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]}}
PSI = {"psi": {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]}}
LANGEVIN = {"local": {"kind": "langevin", "steps": 500}}
ALL = ("steered", "umbrella", "metadynamics", "parallel_tempering")
SECTIONS: dict[str, Any] = {
    "replicas": 16,
    "strategy": LANGEVIN,
    "umbrella": {"replicas": 4},
    "parallel_tempering": {"replicas": 4},
}


def system(structure: Path = CONFIGS / "alanine_dipeptide.pdb") -> dict[str, Any]:
    """As the demo has it, from a structure."""
    return {
        "kind": "openmm",
        "structure": str(structure),
        "forcefield": ["amber99sb.xml"],
        "temperature": "320 K",
        "platform": "Reference",
    }


def c7ax() -> dict[str, float]:
    """F(rest) − F(C7ax)."""
    return {"rest": -float(REFERENCE["delta_f_kT"])}


def turn(low: float = -100.0, high: float = -30.0) -> dict[str, float]:
    """F(rest) − F(turn), low ≤ ψ < high in degrees, from the reference's surface.

    98 % of this state lie at φ > 0: where C7ax is missed the answer is −8.24.
    """
    f = np.array([[np.inf if v is None else v for v in row] for row in REFERENCE["f_kT"]])
    p, psi = np.exp(-f).sum(0), np.degrees(REFERENCE["psi"])
    inside = (psi > low) & (psi < high)
    return {"rest": float(np.log(p[inside].sum() / p[~inside].sum()))}


def isomer_named(ended: Ended) -> list[float]:
    """inf where no word says that the answer is for the cis isomer."""
    return [] if any("cis" in word for word in ended.told) else [np.inf]


def issue_rows() -> list[Trap]:
    """The demo, ten seeds."""
    return [
        Trap("alanine_demo", "the demo", {}, {}, c7ax, None, strategies=("steered",), seeds=10,
             truth_error=ERROR, file=CONFIGS / "alanine_dipeptide.yaml"),
    ]  # fmt: skip


def traps() -> list[Trap]:
    """By every strategy that can be tried on a molecule with one CV."""
    return [
        Trap("alanine_phi", "alanine dipeptide with φ alone", system(), PHI, c7ax,
             {"C7ax": {"phi": ["0 deg", "130 deg"]}}, strategies=ALL, truth_error=ERROR,
             sections=SECTIONS, evaluations=8e6),
        Trap("alanine_psi", "alanine dipeptide with ψ alone: φ is hidden", system(), PSI, turn,
             {"turn": {"psi": ["-100 deg", "-30 deg"]}}, strategies=ALL, truth_error=0.05,
             sections=SECTIONS, evaluations=8e6, hidden=True),
        Trap("alanine_cis", "alanine dipeptide started in cis ω", system(HERE / "alanine_cis.pdb"),
             PHI, c7ax, {"C7ax": {"phi": ["0 deg", "130 deg"]}}, strategies=ALL,
             sections=SECTIONS, evaluations=8e6, hidden=True, judge=isomer_named),
    ]  # fmt: skip
