"""What an `ase` system simulates, in words, and its elements read back from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby

from msgen.systems.ase.system import ASESystem
from msgen.systems.description import Description

FORMULA = "formula"
"""The fact that has the elements in the atoms' order, neighbours that are alike counted."""


def describe(system: ASESystem, charge: int = 0) -> Description:
    """Describe a cluster or a molecule in vacuum."""
    runs = [(symbol, len(list(same))) for symbol, same in groupby(system.symbols)]
    wall = "none" if system.confine is None else f"{system.confine:g} nm about the centre"
    facts = {
        "atoms": f"{len(system.symbols):,}, in vacuum",
        FORMULA: "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in runs),
        "calculator": f"{system.calculator} of ASE",
        "net charge": f"{charge:+d} e" if charge else "none",
        "wall": wall,
        "ensemble": f"constant temperature, {system.temperature:g} K, time step "
        f"{1000 * system.timestep:g} fs, friction {system.friction:g} /ps",
    }
    warnings = []
    if not system.topology.n_bonds and system.confine is None:
        warnings.append(
            "no bonds and no wall: what evaporates from a cluster does not come back, and there is "
            "no equilibrium with it; give system.confine where that can happen"
        )
    return Description(facts, tuple(warnings))


def elements_of(facts: Mapping[str, str]) -> tuple[str, ...]:
    """Elements in the atoms' order, of the facts that `describe` tells; () of others."""
    out: list[str] = []
    for symbol, n in re.findall(r"([A-Z][a-z]?)(\d*)", facts.get(FORMULA, "")):
        out += [symbol] * int(n or 1)
    return tuple(out)
