"""The dimer in a fluid of discs along its bond, moved exactly; proposals learnt.

Others (Schönle et al., arXiv 2405.18160, their code, proposals given by hand): K = 400, acceptance
.31, 1.6 % of the paths lost to failed constraints. Acceptance is over all proposals, most of which
stay in their state; that of the crossings alone stands beside it.

Every campaign starts from the compact state alone. Arguments: `acceptance` (K = 400), `scan` (K
from 100 to 1,600, with proposals read off the surface and with the published ones), `tuned` (left
to the tuner), `cold` (no pushes), `equal` (ΔF by four methods at equal cost), `variants` (ΔF by
every scheme that knows a curved CV), all by default; numbers are seeds; `kept` tells what earlier
runs have left and runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rows import Row

from steered.bridges import bridge
from steered.campaigns import KEPT, chi_squared, mean, pooled
from steered.chains import Chain, at_equal_cost, parts
from steered.equal_cost import Case
from steered.paths import TOP, Pool, Price, price, schedule, theirs

SEEDS = (1, 2, 3)
LENGTHS = (100, 200, 400, 800, 1600)
PATHS, EACH_WAY, HEIGHT = 200, 100, 2.0
DIMER = Chain(
    "dimer", "steered_dimer", "r", "compact", TOP, {"acceptance": 0.31, "failures": 0.016}
)

_TESTED = {"metropolised": True, "friction": 0.1, "dt": 0.01}
VARIANTS: dict[str, dict[str, Any]] = {
    "moving": {},
    "symmetric, unadjusted": {"scheme": "symmetric"},
    "symmetric, Metropolised": {"scheme": "symmetric", **_TESTED},
    "coin flip, unadjusted": {"scheme": "coin_flip"},
    "coin flip, Metropolised": {"scheme": "coin_flip", **_TESTED},
    "extended": {"scheme": "extended"},
}
"""Asymmetric paths are for linear CVs. Where every step is tested a rejection turns the velocities
round, which a shorter step does less often."""


def scan(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """Acceptance against the length of the path, over all proposals, for two proposals."""
    rows = []
    for name in ("read off the surface", "as published"):
        for steps in LENGTHS:
            for seed in seeds:
                one = _scanned(name, steps, seed, only_kept)
                if one is None:
                    continue
                at = f"dimer, K = {steps}, proposals {name}, seed {seed}"
                rows += [
                    Row(f"{at}: acceptance", one.acceptance[0], "", f"± {one.acceptance[1]:.3f}"),
                    Row(f"{at}: paths that broke", 100 * one.failures, "%"),
                ]
                print(rows[-2], rows[-1], sep="\n", flush=True)
    return rows


def _scanned(name: str, steps: int, seed: int, only_kept: bool) -> Price | None:
    path = KEPT / f"dimer-scan-{name.split()[0]}-{steps}-{seed}.json"
    if only_kept:
        return Price(**json.loads(path.read_text())) if path.is_file() else None
    published = name == "as published"
    mass, broad = (theirs(), 1e-9) if published else (None, 0.1)
    pool = Pool.kept(100)
    one = price(pool, HEIGHT, schedule(steps), PATHS, seed, mass=mass, broad=broad)
    path.write_text(json.dumps(asdict(one), indent=1) + "\n")
    return one


def equal(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """ΔF by counting, by BAR and by umbrella windows, at equal cost."""
    local = "local: {kind: langevin, steps: 200}"
    windows = f"strategy={{kind: umbrella, seeds: neighbour, windows: {{r: 14}}, {local}}}"
    case = Case(
        "dimer",
        DIMER.campaign,
        DIMER.state,
        DIMER.difference(),
        8e5,
        {
            "MD": (f"strategy={{kind: local, {local}}}", "replicas=4"),
            "chain": (),
            "BAR": ("strategy.stratify=on",),
            "umbrella": (windows, "replicas=2"),
        },
    )
    return at_equal_cost(case, seeds, only_kept)


def variants(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """ΔF by BAR from paths of each scheme, both ways."""
    value, error = DIMER.difference()
    rows, found = [], {}
    for name, settings in VARIANTS.items():
        each = [_bridged(name, settings, seed, only_kept) for seed in seeds]
        known = [one for one in each if one is not None]
        if not known:
            continue
        f, said = pooled([(-one["delta_f"], one["stderr"]) for one in known])
        found[name] = (f, said)
        at = f"dimer, {name}, K = 400"
        cost = mean([one["evaluations"] for one in known])[0]
        off = abs(f - value) / np.hypot(said, error)
        rows += [
            Row(
                f"{at}: ΔF by BAR",
                f,
                "kT",
                f"± {said:.3f}; {value:.3f} ± {error:.3f}",
                "< 4 σ",
                bool(off < 4),
            ),
            Row(f"{at}: accepted of paths across", mean([one["crossed"] for one in known])[0]),
            Row(f"{at}: evaluations of a path", cost),
        ]
    if len(found) > 1:
        middle, _ = pooled(list(found.values()))
        chi, n = chi_squared(list(found.values()), middle), len(found) - 1
        bound = n + 4 * np.sqrt(2 * n)
        what = "dimer: χ² of ΔF between the schemes"
        rows.append(Row(what, chi, "", f"{n} expected", f"< {bound:.1f}", bool(chi < bound)))
    return rows


def _bridged(name: str, settings: dict[str, Any], seed: int, only_kept: bool) -> Any:
    path = KEPT / f"dimer-variant-{name.replace(' ', '_')}-{seed}.json"
    if only_kept:
        return json.loads(path.read_text()) if path.is_file() else None
    one = bridge(Pool.kept(100), HEIGHT, schedule(400, **settings), EACH_WAY, seed)
    tree = {
        "delta_f": one.result.delta_f,
        "stderr": one.result.stderr,
        "crossed": one.crossed,
        "evaluations": one.evaluations,
        "broken": one.broken,
    }
    print(name, seed, tree, flush=True)
    path.write_text(json.dumps(tree, indent=1) + "\n")
    return tree


ROWS = {
    "acceptance": DIMER.acceptance,
    "scan": scan,
    "tuned": DIMER.tuned,
    "cold": DIMER.cold,
    "equal": equal,
    "variants": variants,
}


def run(arguments: list[str]) -> list[Row]:
    """See the module."""
    return parts(arguments, ROWS, SEEDS)
