"""Alanine dipeptide in OBC2 from one structure: to ± 0.1 kT within 15 M evaluations, and right?

`make bench NAME=implicit [ARGS=FIELD[:SEEDS]…]`, FIELD amber14 (from a PDB) or ff96 (from a
prmtop). Reference: tests/references/alanine_implicit.py. What a campaign gave is kept (see
trials.py).
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from places import CONFIGS, REFERENCES
from rows import Row, publish
from trials import Trial, coverage, named, run_all

REFERENCE = REFERENCES / "alanine_implicit.json"
KNOWN = json.loads(REFERENCE.read_text(encoding="utf-8")) if REFERENCE.is_file() else {}
"""By force field, where the long runs have been made."""
SEEDS = 5
FF96 = REFERENCES / "ff96" / "alanine-dipeptide"
INPUTS: dict[str, dict[str, Any]] = {
    "amber14": {
        "structure": str(CONFIGS / "alanine_dipeptide.pdb"),
        "forcefield": ["amber14-all.xml", "implicit/obc2.xml"],
    },
    "ff96": {
        "topology": f"{FF96}.prmtop",
        "coordinates": f"{FF96}.inpcrd",
        "implicit_solvent": "OBC2",
    },
}


def trial(field: str) -> Trial:
    """The campaign of a force field: φ and ψ, one state of interest, all else by default."""
    campaign = {
        "name": f"alanine-{field}",
        "system": {"kind": "openmm", **INPUTS[field], "temperature": "300 K"},
        "cvs": {
            "phi": {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]},
            "psi": {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]},
        },
        "states": {"left": {"phi": ["0 deg", "130 deg"]}},
        "strategy": {"kind": "steered"},
        "replicas": 16,
        "converge": {"state_error": "0.1 kT", "surface_error": "0.2 kT", "below": "5 kT"},
        "budget": {"energy_evaluations": 15_000_000, "wall": "6 h"},
    }
    known = KNOWN[field]
    return Trial(field, campaign, {"rest": -known["delta_f_kT"]}, (), known["stderr_kT"])


def main(asked: list[str]) -> None:
    """Run what is asked for, print the table."""
    names, repeats = named(asked)
    names = names or list(INPUTS)
    if unknown := set(names) - set(INPUTS):
        sys.exit(
            f"no such force field: {', '.join(sorted(unknown))}; of these: {', '.join(INPUTS)}"
        )
    if missing := [name for name in names if name not in KNOWN]:
        sys.exit(f"no reference yet of {', '.join(missing)}: tests/references/alanine_implicit.py")
    trials = [trial(name) for name in names]
    seeds = {one.name: range(1, 1 + repeats.get(one.name, SEEDS)) for one in trials}
    ended = list(run_all("implicit", trials, seeds))
    rows = []
    for one in trials:
        mine = sorted((e for e in ended if e.trial == one.name), key=lambda e: e.seed)
        if not mine:
            continue
        said = [e for e in mine if e.converged]
        rows.append(Row(f"{one.name}: converged", len(said), "", f"of {len(mine)}", "all",
                        len(said) == len(mine)))  # fmt: skip
        reference = f"reference {one.truth['rest']:.3f} ± {one.truth_error:.3f}"
        for e in mine:
            f, sigma = e.states.get("rest", (None, None))
            value = np.nan if f is None else f
            told = "not known" if sigma is None else f"± {sigma:.3f}"
            rows.append(Row(f"{one.name}: F(rest) − F(left), seed {e.seed}", value, "kT",
                            f"{told}; {reference}"))  # fmt: skip
        cost = float(np.median([e.evaluations for e in mine]))
        rows.append(Row(f"{one.name}: median evaluations", cost, "", "", "≤ 15 M", cost <= 15e6))
        if z := [v for e in said for v in e.z(one.truth, one.truth_error)]:
            rows += coverage(z, one.name)
    publish("implicit", rows)


if __name__ == "__main__":
    main(sys.argv[1:])
