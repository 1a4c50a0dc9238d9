"""The nine-bead polymer along its end-to-end distance, moved exactly; proposals learnt.

Others (Schönle et al., arXiv 2512.16812, their code): K = 400, acceptance .138, and .467 once the
polymer's force is divided by kT once and not twice; proposals given by hand. An acceptance is over
all proposals, most of which stay in their state; that of the crossings alone stands beside it.

Every campaign starts from the compact state alone. Arguments: `acceptance` (K = 400), `strata`
(walkers kept in their states, joined by BAR over all paths), `tuned` (left to the tuner), `paths`
(paths alone, to the published proposals), `cold` (no pushes: nothing but the proposals finds the
stretched state), `equal` (ΔF by four methods at equal cost), all by default; numbers are seeds;
`kept` tells what earlier runs have left in runs/benchmarks/steered and runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rows import Row

from steered.chains import Chain, at_equal_cost, parts
from steered.equal_cost import Case
from steered.polymer_paths import scan

SEEDS = (1, 2, 3)
POLYMER = Chain(
    "polymer",
    "steered_polymer",
    "d",
    "compact",
    4.62,
    {"acceptance": 0.45, "steps": 400},
)


def strata(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """F(d) to its criteria, by BAR over all paths."""
    chain = replace(POLYMER, campaign="steered_polymer_strata")
    found = chain.several("polymer strata", seeds, (), only_kept)
    return chain.judged("polymer, strata", found) if found else []


def case() -> Case:
    """ΔF by counting, by BAR and by umbrella windows."""
    local = "local: {kind: langevin, steps: 500}"
    windows = f"strategy={{kind: umbrella, seeds: neighbour, windows: {{d: 14}}, {local}}}"
    return Case(
        "polymer",
        POLYMER.campaign,
        POLYMER.state,
        POLYMER.difference(),
        9e5,
        {
            "MD": (f"strategy={{kind: local, {local}}}", "replicas=4"),
            "chain": (),
            # as in steered_polymer_strata.yaml: four walkers in each state to tell the error by
            "BAR": (
                "strategy.stratify=on",
                "model={kind: spline_flow, transforms: 1}",
                "replicas=8",
            ),
            "umbrella": (windows, "replicas=2"),
        },
    )


def equal(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """ΔF by four methods, at equal cost."""
    return at_equal_cost(case(), seeds, only_kept)


ROWS = {
    "acceptance": POLYMER.acceptance,
    "strata": strata,
    "tuned": POLYMER.tuned,
    "paths": scan,
    "cold": POLYMER.cold,
    "equal": equal,
}


def run(arguments: list[str]) -> list[Row]:
    """See the module."""
    return parts(arguments, ROWS, SEEDS)
