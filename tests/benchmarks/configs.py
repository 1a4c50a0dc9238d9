"""Campaigns of configs/ as they are, each to its own end: do they converge, and to what is known?

`make bench NAME=configs [ARGS=FILE[:SEEDS]…]`: FILE is a path below configs/ without its ending.
What a campaign gave is kept (see trials.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from places import CONFIGS, REFERENCES
from rows import Row, publish
from scipy.stats import norm
from trials import Ended, Trial, named, run_all

from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system
from msgen.systems.base import Walkers

WRONG = 3.0
"""σ."""
Truth = Callable[[Path], tuple[Mapping[str, float], float]]
"""F of states against the first, kT, and the error where it is a simulation's."""
ALANINE = json.loads((REFERENCES / "alanine_dipeptide.json").read_text(encoding="utf-8"))


def _plane(low: float, high: float, of_y: tuple[float, float] | None = None) -> Truth:
    """By midpoint quadrature over a rectangle."""

    def truth(path: Path) -> tuple[Mapping[str, float], float]:
        campaign = load_campaign(path, ())
        system = build_system(campaign.spec_system(), path.parent)
        cvs = build_cvs(campaign.spec_cvs(), system, path.parent)
        ends = ((low, high), of_y or (low, high))
        axes = [np.linspace(a, b, 1201) for a, b in ends]
        middle = [0.5 * (axis[1:] + axis[:-1]) for axis in axes]
        x = np.stack([a.ravel() for a in np.meshgrid(*middle, indexing="ij")], axis=1)
        u = np.concatenate([system.energy(Walkers(part)) for part in np.array_split(x, 24)])
        xi = np.concatenate([cvs(part) for part in np.array_split(x, 24)])
        weight = np.exp(-(u - u.min()) / system.kT)
        shares, free = {}, np.ones(len(x), dtype=bool)
        for name, box in campaign.spec_states().items():
            inside = np.ones(len(x), dtype=bool)
            for cv, (a, b) in box.items():
                at = xi[:, cvs.names.index(cv)]
                inside &= (at >= a) & (at < b)
            shares[name], free = weight[inside].sum(), free & ~inside
        if weight[free].sum() > 1e-9 * weight.sum():
            shares["rest"] = weight[free].sum()
        first = next(iter(shares.values()))
        return {k: float(-np.log(p / first)) for k, p in list(shares.items())[1:]}, 0.0

    return truth


def _shares(first: float, error: float = 0.0, name: str = "rest") -> Truth:
    """From the share of the first state of two, and its error."""
    f = float(np.log(first / (1.0 - first)))
    return lambda _: ({name: f}, error / (first * (1.0 - first)))


def _known(f: float, error: float = 0.0) -> Truth:
    """Of all that is not the first state."""
    return lambda _: ({"rest": f}, error)


def _pair() -> float:
    """Share of x < 0.6 of the harmonic pair: two Gaussians, their weights from determinants."""
    stiffness = np.array([[1, 1, 2, 2, 4, 4, 1, 1], [2, 0.5, 1, 4, 1, 2, 1, 3]])
    log_z = -0.5 * np.log(stiffness).sum(axis=1) - np.array([0.0, 1.5])
    weight = np.exp(log_z - log_z.max())
    below = norm.cdf(0.6, np.array([-3.0, 3.0]), stiffness[:, 0] ** -0.5)
    return float((weight * below).sum() / weight.sum())


def _stored(name: str, sign: float) -> Truth:
    """F of the stretched against the compact state, by long runs."""
    kept = json.loads((REFERENCES / f"{name}.json").read_text(encoding="utf-8"))
    return _known(sign * kept["delta_f_kT"], kept["delta_f_stderr_kT"])


MOLECULE = _known(-ALANINE["delta_f_kT"], ALANINE["stderr_kT"])
KNOWN: dict[str, Truth] = {
    "gaussian_mixture": _shares(0.3),
    "gaussian_tunnel": _shares(0.7),
    "double_well": _plane(-3, 3),
    "mueller_brown": _plane(-2.5, 1.8, (-1.2, 2.8)),
    "alanine_dipeptide": MOLECULE,
    "examples/double_well_tempering": _plane(-3, 3),
    "examples/wolfe_quapp": _plane(-3.5, 3.5),
    "examples/flow_matching": _shares(0.3),
    "examples/evolving_double_well_phi": _plane(-4, 14, (-3, 3)),
    "examples/propagator_double_well": _plane(-3, 3),
    "examples/steered_dynamics_double_well": _plane(-3, 3),
    "examples/transition_paths_double_well": _plane(-3, 3),
    "examples/alanine_dipeptide_metadynamics": MOLECULE,
    "examples/alanine_dipeptide_tempering": MOLECULE,
    "papers/dynamics_diffusion_exact": _plane(-3, 3),
    "papers/crabtree_evolving_double_well": _plane(-4, 14, (-3, 3)),
    "papers/crabtree_variable_barrier": _plane(-4, 14, (-3, 3)),
    "papers/gabrie_mode_collapse_adaptive": _shares(0.3),
    "papers/gabrie_mode_collapse_annealed": _shares(0.3),
    "papers/gabrie_mode_collapse_data": _shares(0.3),
    "papers/gabrie_free_energy_mixture": _shares(0.3),
    "papers/gabrie_free_energy_pair": _shares(_pair()),
    "papers/gabrie_free_energy_alanine": MOLECULE,
    "papers/gabrie_alanine": MOLECULE,
    "papers/gabrie_mixture_16d": _shares(0.3),
    "papers/gabrie_many_well": _shares(0.457),
    "papers/gabrie_dw4": _shares(0.534, 0.004),
    "papers/gabrie_lj13": _shares(0.488, 0.003),
    "papers/gabrie_phi4": _known(0.0),
    "papers/steered_tunnel": _shares(0.7),
    "papers/steered_phi4": _known(0.0),
    "papers/steered_dimer": _stored("dimer", 1.0),
    "papers/steered_polymer": _stored("polymer", 1.0),
    "papers/steered_polymer_strata": _stored("polymer", 1.0),
    "papers/steered_polymer_flow": _stored("polymer", 1.0),
}
"""What is known of each: exact, or by long runs (tests/references, docs/papers)."""


def trial(name: str) -> Trial:
    """A campaign file as it is, but that no clock ends it."""
    path = CONFIGS / f"{name}.yaml"
    truth, error = KNOWN[name](path)
    return Trial(name.replace("/", "-"), path, truth, ("budget.wall=null",), error)


def rows_of(one: Trial, mine: list[Ended]) -> list[Row]:
    """Of one file."""
    said = [e for e in mine if e.converged]
    z = [v for e in said for v in e.z(one.truth, one.truth_error)]
    wrong = sum(abs(v) > WRONG for v in z)
    found = [
        Row(f"{one.name}: converged", len(said), "", f"of {len(mine)}", "all",
            len(said) == len(mine)),
        Row(f"{one.name}: wrong by more than 3 sigma", wrong, "", "", "0", not wrong),
        Row(f"{one.name}: median evaluations", float(np.median([e.evaluations for e in mine]))),
    ]  # fmt: skip
    for state, exact in one.truth.items():
        error = f"± {one.truth_error:.3f}" if one.truth_error else "exact"
        found.append(Row(f"{one.name}: known F of {state}", exact, "kT", error))
        for e in mine:
            f, sigma = e.states.get(state, (None, None))
            told = "not known" if sigma is None else f"± {sigma:.3f}"
            value = np.nan if f is None else f
            found.append(Row(f"{one.name}: F of {state}, seed {e.seed}", value, "kT", told))
    return found


def main(asked: list[str]) -> None:
    """Run what is asked for, print the table."""
    names, repeats = named(asked)
    if unknown := set(names) - set(KNOWN):
        sys.exit(f"nothing is known of {', '.join(sorted(unknown))}; of these: {', '.join(KNOWN)}")
    trials = {name: trial(name) for name in KNOWN if not names or name in names}
    seeds = {one.name: range(1, 1 + repeats.get(name, 1)) for name, one in trials.items()}
    ended = list(run_all("configs", trials.values(), seeds))
    found = [
        row
        for one in trials.values()
        if (mine := sorted((e for e in ended if e.trial == one.name), key=lambda e: e.seed))
        for row in rows_of(one, mine)
    ]
    if not found:
        sys.exit("nothing is kept of these")
    publish("configs", found)


if __name__ == "__main__":
    main(sys.argv[1:])
