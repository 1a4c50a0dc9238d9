"""Small campaigns on the double well, driven into production once a process."""

from __future__ import annotations

from functools import cache

from driving import Drive

SMALL = (
    "replicas=8",
    "strategy.local.steps=5",
    "model={kind: spline_flow, transforms: 1, hidden: [16], epochs: 15}",
)
CASES = {
    "strata": SMALL,
    "chain": (*SMALL, "strategy.stratify=off"),
    "local": ("replicas=8", "strategy={kind: local, local: {kind: hmc, steps: 5}}"),
    "flow": (
        "replicas=8",
        "strategy={kind: flow_mcmc, local: {kind: hmc, steps: 5}}",
        "model={kind: realnvp, transforms: 2, hidden: [16], epochs: 15}",
    ),
}
LAG = 2


@cache
def driven(case: str) -> Drive:
    """A campaign with five rounds of production; not to be stepped further."""
    return Drive.of("double_well", *CASES[case], lag=LAG).produce(5)
