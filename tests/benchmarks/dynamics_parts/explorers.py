"""Evaluations until all basins were seen: by pushes, by roll-outs of a learnt dynamics, by both.

Arguments: systems (nine, vacuum, obc2; by default all), seeds (by default 1 to 5) and `toy`, which
takes small models and one seed, and the nine wells alone if no system is named: a minute. Nine
wells of 12 kT are explored by what was learnt at 2.9 times the temperature; alanine dipeptide at
300 K, in vacuum and in OBC2, by what was learnt in vacuum at 600 K, snippets of φ and ψ or steps of
the heavy atoms; and each by what the search itself learns (`own`), whose walkers count. A search is
the campaign's own, and counts walker by walker; a basin was seen where one came to rest. What
another run's learning cost stands beside it. What is done is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from driving import Drive
from places import CONFIGS, REFERENCES
from rows import Row

import msgen
from dynamics_parts.fits import KEPT
from msgen.actors.base import Segment
from msgen.orchestrator.schema import Campaign

Section = dict[str, Any]

SEEDS, TOY_SEEDS = (1, 2, 3, 4, 5), (1,)
WALKERS, ROUNDS, BOTH = 16, 12, 16
"""Sent ahead in a round, rounds at the most, and pushes where walkers are sent ahead as well."""
LOCAL: Section = {"kind": "langevin", "steps": 50}
QUIET: Section = {"executor": "inline", "output": {"tensorboard": False}}
THIRDS = ((-3.2, -1.0), (-1.0, 1.0), (1.0, 3.2))
PHI_PSI: Section = {
    "phi": {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]},
    "psi": {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]},
}
VACUUM: Section = {
    "kind": "openmm",
    "structure": str(CONFIGS / "alanine_dipeptide.pdb"),
    "forcefield": ["amber99sb.xml"],
    "platform": "Reference",
}
FF96 = REFERENCES / "ff96" / "alanine-dipeptide"
OBC2: Section = {
    "kind": "openmm",
    "topology": f"{FF96}.prmtop",
    "coordinates": f"{FF96}.inpcrd",
    "implicit_solvent": "OBC2",
    "platform": "Reference",
}
EXTENDED: Section = {"phi": ["-180 deg", "0 deg"], "psi": ["60 deg", "-140 deg"]}
BASINS: Mapping[str, Section] = {
    "vacuum": {"C7eq": EXTENDED, "C7ax": {"phi": ["0 deg", "130 deg"]}},
    "obc2": {
        "beta": EXTENDED,
        "alpha_R": {"phi": ["-180 deg", "0 deg"], "psi": ["-120 deg", "30 deg"]},
        "alpha_L": {"phi": ["0 deg", "130 deg"]},
    },
}


@dataclass(frozen=True)
class Case:
    """A system to explore.

    Attributes
    ----------
    system, cvs, states : mapping
        Sections of the campaign; the states are its basins.
    hot : mapping
        The system that is learnt.
    models : Mapping of str to mapping
        The sections of the learning campaign that each model takes.
    exact : mapping
        Those of the exact run that it begins with.
    """

    system: Section
    cvs: Section
    states: Section
    hot: Section
    models: Mapping[str, Section]
    exact: Section


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    toy = "toy" in arguments
    seeds = [int(a) for a in arguments if a.isdigit()] or (TOY_SEEDS if toy else SEEDS)
    every = {"nine": nine(toy), "vacuum": alanine("vacuum", toy), "obc2": alanine("obc2", toy)}
    names = [a for a in arguments if a in every] or (["nine"] if toy else list(every))
    return [row for name in names for row in explored(name, every[name], seeds, toy)]


def explored(name: str, case: Case, seeds: Sequence[int], toy: bool) -> list[Row]:
    """Of one system: each way to search, and what the learning cost."""
    size = "-toy" if toy else ""
    models = {what: learnt(f"{name}-{what}{size}", case, what) for what in case.models}
    ways: dict[str, Section] = {"pushes": {}}
    for what, (folder, _) in models.items():
        ahead = {"from": folder, "walkers": WALKERS, "rounds": ROUNDS}
        ways[what] = {"pushes": 0, "explorers": ahead}
        ways[f"pushes and {what}"] = {"pushes": BOTH, "explorers": ahead}
        model = case.models[what]["model"] | ({"epochs": 20} if toy else {})
        learn = {"model": model, "frames": 64}
        own = {**ahead, "learn": learn, "rounds": 1 if toy else ROUNDS}
        del own["from"]
        ways[f"own {what}"] = {"pushes": 0, "explorers": own}
        ways[f"pushes and own {what}"] = {"pushes": BOTH, "explorers": own}
    rows = []
    for way, search in ways.items():
        spent = [searched(f"{name}{size}", case, way, search, seed) for seed in seeds]
        found = [n for n in spent if np.isfinite(n)]
        of = f"{len(found)} of {len(spent)} seeds"
        mean = float(np.mean(found)) if found else float("nan")
        each = zip(seeds, spent, strict=True)
        rows += [Row(f"{name}, {way}, seed {s}", n, "evaluations") for s, n in each]
        rows.append(Row(f"{name}, {way}: until all were seen", mean, "evaluations", of))
    return rows + [
        Row(f"{name}, {what}: to learn it", cost, "evaluations")
        for what, (_, cost) in models.items()
    ]


def searched(name: str, case: Case, way: str, search: Section, seed: int) -> float:
    """Evaluations until a walker came to rest in the last basin; NaN where none ever does."""
    path = KEPT / f"explorers-{name}-{way.replace(' ', '-')}-{seed}.json"
    if not path.is_file():
        tree = {
            "name": name,
            "seed": seed,
            **QUIET,
            "system": case.system,
            "cvs": case.cvs,
            "states": case.states,
            "strategy": {"kind": "steered", "local": LOCAL, "explore": search},
        }
        drive = Drive.along(Campaign.parse(tree))
        while drive.state.phase == "explore":
            drive.step()
        states = drive.problem.states()
        segments = [s for step in drive.steps for s in step.segments]
        told = until_all(len(case.states), [*_walkers(segments, states, drive.problem.dim)])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(None if told is None else told))
    kept = json.loads(path.read_text())
    return float("nan") if kept is None else float(kept)


def until_all(basins: int, walkers: Sequence[tuple[int, float]]) -> float | None:
    """What walkers cost until the last of the basins 0 … n − 1 was seen; None where one is not.

    Parameters
    ----------
    basins : int
    walkers : sequence of (int, float)
        Where each came to rest, −1 for nowhere, and its evaluations.
    """
    seen, spent = set[int](), 0.0
    for basin, cost in walkers:
        spent += cost
        seen.add(basin)
        if seen >= set(range(basins)):
            return spent
    return None


def _walkers(segments: Sequence[Segment], states: Any, dim: int) -> list[tuple[int, float]]:
    """In the order in which they were sent, as `until_all` takes them.

    What a search follows in order to learn shows no basin, and costs.
    """
    out = []
    for segment in segments:
        if segment.key[1] != "explore":
            out.append((-1, float(segment.evaluations)))
            continue
        n = int(segment.counts["pushes"])
        read = segment.samples["cvs"].reshape(n, -1, dim)
        rest = states.assign(read[:, read.shape[1] // 2 :].reshape(-1, dim)).reshape(n, -1)
        flipped = segment.samples["flipped"].reshape(n, -1)[:, 0] > 0
        stays = (rest == rest[:, :1]).all(axis=1) & ~flipped
        cost = segment.evaluations / n
        out += [(int(b) if s else -1, cost) for b, s in zip(rest[:, 0], stays, strict=True)]
    return out


def learnt(name: str, case: Case, what: str) -> tuple[str, float]:
    """The run directory of a learnt dynamics, and its evaluations and those of its exact run."""
    folder = (KEPT / f"explorers-{name}").resolve()
    base = {**QUIET, "system": case.hot, "cvs": case.cvs, "states": case.states, "seed": 1}
    exact = {**base, "name": "exact", "converge": {"unseen": None}, **case.exact}
    first = msgen.run(exact, output_dir=folder, quiet=True)
    asked = {**base, "name": "learnt", **case.models[what]}
    asked["strategy"] = {**asked["strategy"], "free_energies": str(folder / "exact")}
    second = msgen.run(asked, output_dir=folder, quiet=True)
    cost = first.cost.energy_evaluations + second.cost.energy_evaluations
    return str(folder / "learnt"), float(cost)


def nine(toy: bool) -> Case:
    """Wells that nothing leaves by itself."""
    axis = {"kind": "coordinate", "range": [-3.2, 3.2], "bins": 32}
    system = {"kind": "python", "factory": "ninefold:potential"}
    places = product(enumerate(THIRDS), repeat=2)
    states = {f"w{i}{j}": {"x": list(a), "y": list(b)} for (i, a), (j, b) in places}
    return Case(
        system,
        {name: {**axis, "index": i} for i, name in enumerate("xy")},
        states,
        {**system, "arguments": {"scale": 0.35}},
        {"snippets": _learning(toy, {"kind": "overdamped", "step_size": 0.01, "steps": 320}, 10)},
        {
            "strategy": {"kind": "local", "local": {"kind": "hmc", "steps": 5}},
            "replicas": 64,
            "budget": {"rounds": 12},
        },
    )


def alanine(where: str, toy: bool) -> Case:
    """Alanine dipeptide at 300 K, and hot in vacuum."""
    langevin = {"kind": "langevin", "friction": "10 /ps", "steps": 800 if toy else 10_000}
    steps = {"kind": "step_diffusion", "atoms": "heavy"}
    small = {**steps, "width": 16, "layers": 2, "epochs": 100, "steps": 4}
    stride = 50 if toy else 500
    return Case(
        {**(VACUUM if where == "vacuum" else OBC2), "temperature": "300 K"},
        PHI_PSI,
        BASINS[where],
        {**VACUUM, "temperature": "900 K" if toy else "600 K"},
        {
            "snippets": _learning(toy, langevin, 50 if toy else 100),
            "steps": {**_learning(toy, langevin, stride), "model": small if toy else steps},
        },
        {
            "strategy": {"kind": "local", "local": langevin},
            "replicas": 16,
            "budget": {"rounds": 6 if toy else 24},
            "output": {"tensorboard": False, "trajectory": "dcd"},
        },
    )


def _learning(toy: bool, local: Section, stride: int) -> Section:
    """Sections of a campaign that learns snippets."""
    own: Section = {"kind": "trajectory_diffusion", "width": 16, "length": 32}
    small: Section = {"length": 16, "epochs": 80, "steps": 14}
    return {
        "strategy": {
            "kind": "dynamics",
            "local": local,
            "frames": 64 if toy else 128,
            "generate": {"free": 64},
            "cycles": 1 if toy else 3,
        },
        "model": {**own, **small} if toy else own,
        "replicas": 64 if toy else 128,
        "output": {"tensorboard": False, "stride": stride},
    }
