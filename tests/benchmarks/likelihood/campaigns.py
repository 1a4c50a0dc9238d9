"""The targets, their states, and each method as settings of a campaign."""

from __future__ import annotations

from dataclasses import dataclass

from msgen.models.kinds import KINDS


@dataclass(frozen=True)
class Target:
    """The state that is counted, and what is known of it.

    Attributes
    ----------
    low, high : float
        Of the CV.
    probability : tuple of float
        P(state) and the error of that.
    log_z : float or None
        Where it is known.
    """

    low: float
    high: float
    probability: tuple[float, float]
    log_z: float | None = None


@dataclass(frozen=True)
class Method:
    """Settings of a campaign, and how many seeds it is given."""

    settings: tuple[str, ...]
    seeds: int = 3


STATES = {
    "phi4": Target(-1.4, 0.0, (0.5, 0.0), -119.87021),
    # by 18 and 6 million evaluations of HMC, 200 walkers each, R̂ 1.013 and 1.004
    "dw4": Target(0.0, 3.0, (0.5342, 0.0042)),
    "lj13": Target(1.6, 2.2, (0.4885, 0.0025)),
}
TARGETS = tuple(STATES)

_LOCAL = "strategy={kind: local, local: {kind: %s}}"
# the density of a continuous flow costs a thousand energies: fewer proposals, fewer walkers
_FEW = ("replicas=32", "strategy.global_steps=4")
_ALL = {
    "realnvp": Method(("model={kind: realnvp%s}",)),
    "spline_flow": Method(("model={kind: spline_flow%s}",), 1),
    "copula_flow": Method(("model={kind: copula_flow}",)),
    "flow_matching": Method(("model={kind: flow_matching%s}", *_FEW), 1),
    "cnf": Method(("model={kind: cnf%s}", *_FEW), 1),
    "score": Method(("model={kind: score, width: 64, layers: 4}", *_FEW), 1),
    "equivariant_flow": Method(("model={kind: equivariant_flow, space: %d}", *_FEW)),
    "mala": Method((_LOCAL % "mala",)),
    "hmc": Method((_LOCAL % "hmc",)),
    "parallel_tempering": Method(
        ("strategy={kind: parallel_tempering, local: {kind: hmc, steps: 5}}", "replicas=8")
    ),
}
METHODS = {
    name: method
    for name, method in _ALL.items()
    if name in KINDS or not method.settings[0].startswith("model=")
}
_SPACE = {"dw4": 2, "lj13": 3}


def methods(target: str) -> tuple[str, ...]:
    """Those that make sense for `target`: equivariant flows need particles."""
    return tuple(m for m in METHODS if m != "equivariant_flow" or target in _SPACE)


def settings(target: str, method: str, seed: int) -> tuple[str, ...]:
    """What is set in the campaign file of `target`."""
    first, *others = METHODS[method].settings
    if method == "equivariant_flow":
        first = first % _SPACE[target]
    elif "%s" in first:
        # the field's stiff directions lie along no axis
        first = first % (", transform: whiten" if target == "phi4" else "")
    return (
        first,
        *others,
        f"seed={seed}",
        "name=run",
        "budget={energy_evaluations: 3000000, wall: 20 min}",
        "output.tensorboard=false",
    )
