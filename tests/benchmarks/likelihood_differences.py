"""Free energies and ln Z by importance sampling, TFEP and BAR, at 1e5 energies after training.

`pair` and `mixture`: two states, a flow for each, stepped as campaigns of the targeted strategy.
`many_well`: 32 dimensions, 65,536 modes, one flow for all of it (flow_mcmc): ln Z from its
proposals (importance sampling), from its walkers mapped to the flow's base (TFEP) and from both
(BAR). `coverage`: 100 productions of the pair with the same frozen flows. Every case has three
seeds.
"""

from __future__ import annotations

import numpy as np
from likelihood.stepped import Stepped
from rows import Row

from msgen.actors.base import copy_tree
from msgen.orchestrator.estimators.importance import log_mean
from msgen.orchestrator.estimators.targeted import deep_bar, tfep

CASES = ("pair", "mixture", "many_well", "coverage")
SEEDS = (1, 2, 3)
BUDGET = 100_000
REPEATS = 100
Value = tuple[float, float]
Found = dict[str, list[tuple[Value, float]]]
"""By estimator: (value, error) and the truth, one for each seed."""

BORDER = 0.6
PAIR = ("papers/gabrie_free_energy_pair", "strategy.local={kind: hmc, steps: 2}")
MIXTURE = ("papers/gabrie_free_energy_mixture",)
WELLS = (
    "papers/gabrie_many_well",
    "strategy.local={kind: mala, steps: 10}",
    "model={kind: copula_flow}",
    # walkers never see the broad part, and one side alone would leave out its share: ln(1 − ε)
    "strategy.broad=0.001",
)


def rows(*cases: str) -> list[Row]:
    """The rows of some cases, or of all."""
    made = {"pair": _pair, "mixture": _mixture, "many_well": _many_well, "coverage": _coverage}
    return [row for case in (cases or CASES) for row in made[case]()]


def _pair() -> list[Row]:
    out = []
    for seed in SEEDS:
        run = Stepped.of(*PAIR, f"seed={seed}").train()
        system = run.system
        below, above = system.log_z_sides(BORDER)  # type: ignore[attr-defined]
        out.append(_of_states(run, float(np.logaddexp(below, above)), below - above))
    return _told("pair", out)


def _mixture() -> list[Row]:
    out = []
    for seed in SEEDS:
        run = Stepped.of(*MIXTURE, f"seed={seed}").train()
        # the border lies ten standard deviations from either mode
        out.append(_of_states(run, 0.0, float(np.log(0.3 / 0.7))))
    return _told("mixture", out)


def _of_states(run: Stepped, log_z: float, delta: float) -> tuple[Stepped, Found]:
    """All estimators of one production; ΔF is F(rest) − F(first)."""
    others = run.spend(BUDGET).diagnostics["estimators"]
    found: Found = {}
    for title, name in (("IS", "importance"), ("TFEP", "tfep"), ("BAR", "deep_bar")):
        value, error = others[f"log_z_{name}"]["all"]
        found[f"ln Z by {title}"] = [((value, error), log_z)]
    for title, name in (("TFEP", "tfep"), ("BAR", "bar")):
        value, error = others[name]["rest"]
        found[f"ΔF by {title} of maps"] = [((value, error), delta)]
    value, error = others["deep_bar"]["rest"]
    found["ΔF by BAR with models"] = [((value, error), delta)]
    return run, found


def _many_well() -> list[Row]:
    out = []
    for seed in SEEDS:
        run = Stepped.of(*WELLS, f"seed={seed}").train()
        run.spend(BUDGET)
        weights = run.state.weights
        truth = float(run.system.log_z)  # type: ignore[attr-defined]
        replica = weights.replica.astype(np.int64)
        one = tfep(weights.walkers, replica)
        both = deep_bar(weights.proposals, weights.walkers, None, replica)
        found: Found = {
            "ln Z by IS": [(log_mean(weights.proposals), truth)],
            "ln Z by TFEP": [((one.value, one.stderr), truth)],
            "ln Z by BAR": [((both.value, both.stderr), truth)],
        }
        out.append((run, found))
    return _told("many-well", out)


def _told(case: str, runs: list[tuple[Stepped, Found]]) -> list[Row]:
    """Worst deviation and error of each estimator over the seeds, and BAR beside TFEP."""
    cost = max(run.evaluations for run, _ in runs)
    rows = [
        Row(f"{case}: energies after training", cost, "", "", "<= 1e5", cost <= BUDGET),
        Row(f"{case}: energies of training", max(run.training for run, _ in runs)),
    ]
    for title in runs[0][1]:
        pairs = [pair for _, found in runs for pair in found[title]]
        sigma = max(error for (_, error), _ in pairs)
        off = max(abs(value - truth) / error for (value, error), truth in pairs)
        spread = np.sqrt(np.mean([(value - truth) ** 2 for (value, _), truth in pairs]))
        rows += [
            Row(
                f"{case}: {title}, σ",
                sigma,
                "kT",
                f"RMS off {spread:.2g}",
                "<= 0.05",
                sigma <= 0.05,
            ),
            Row(f"{case}: {title}, off", off, "σ", "", "<= 3", off <= 3.0),
        ]
    for what in ("ln Z", "ΔF"):
        both = [t for t in runs[0][1] if t.startswith(f"{what} by BAR") and "models" not in t]
        one = [t for t in runs[0][1] if t.startswith(f"{what} by TFEP")]
        if both and one:
            ratio = [found[both[0]][0][0][1] / found[one[0]][0][0][1] for _, found in runs]
            mean = float(np.exp(np.mean(np.log(ratio))))
            seeds = f"{min(ratio):.2g} to {max(ratio):.2g}"
            rows.append(Row(f"{case}: σ of BAR / TFEP, {what}", mean, "", seeds, "< 1", mean < 1.0))
    return rows


def _coverage() -> list[Row]:
    """How often ±1 and ±1.96 reported errors hold the truth, over productions from one training."""
    base = Stepped.of(*PAIR, "seed=11").train()
    below, above = base.system.log_z_sides(BORDER)  # type: ignore[attr-defined]
    truth = {"ln Z": float(np.logaddexp(below, above)), "ΔF": below - above}
    z: dict[str, list[float]] = {}
    for repeat in range(REPEATS):
        # a round apart, walkers have forgotten where the last repeat left them
        base.reseed(1000 + repeat)
        base.state = {**base.state, "gathered": {}}
        base.step()
        base.state = {**base.state, "gathered": {}}
        base.step()
        base.step()
        others = base.strategy.estimate(copy_tree(base.state)).diagnostics["estimators"]
        for title, key, part, what in (
            ("ln Z by IS", "log_z_importance", "all", "ln Z"),
            ("ln Z by TFEP", "log_z_tfep", "all", "ln Z"),
            ("ln Z by BAR", "log_z_deep_bar", "all", "ln Z"),
            ("ΔF by TFEP of maps", "tfep", "rest", "ΔF"),
            ("ΔF by BAR of maps", "bar", "rest", "ΔF"),
            ("ΔF by BAR with models", "deep_bar", "rest", "ΔF"),
        ):
            value, error = others[key][part]
            z.setdefault(title, []).append((value - truth[what]) / error)
    out = []
    for title, values in z.items():
        for limit, p in ((1.0, 0.683), (1.96, 0.95)):
            seen = float(np.mean(np.abs(values) < limit))
            slack = 3 * np.sqrt(p * (1 - p) / REPEATS)
            bound = f"{p - slack:.2f} to {min(1.0, p + slack):.2f}"
            holds = bool(abs(seen - p) <= slack)
            out.append(Row(f"coverage of ±{limit:g} σ: {title}", seen, "", f"{p:g}", bound, holds))
    return out
