"""Rates of the double well from transition paths, against the chain's equations and plain steps.

Arguments: temperatures (by default 1 and 0.5) and seeds (whole numbers from 2; by default 2). Each
campaign runs its exact strategy first and is kept in runs/benchmarks/dynamics.
"""

from __future__ import annotations

import numpy as np
from double_well_paths import exact_rates, plain_rates
from places import CONFIGS
from rows import Row

from dynamics_parts.kept_paths import kept_paths
from msgen.orchestrator.estimators.dynamics.path_sampling import TransitionPaths

FILE = CONFIGS / "examples" / "transition_paths_double_well.yaml"
STEP, STRIDE = 0.002, 5
PLAIN = (512, 8000)
"""Walkers and frames of plain dynamics at kT = 1."""
COLDER = ("converge.below=12 kT", "converge.surface_error=1 kT")


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    given = [float(a) for a in arguments]
    temperatures = [a for a in given if a < 2] or [1.0, 0.5]
    seeds = [int(a) for a in given if a >= 2] or [2]
    return [row for kt in temperatures for seed in seeds for row in rates(kt, seed)]


def rates(kt: float, seed: int) -> list[Row]:
    """Both, their errors, and evaluations beside those that plain dynamics would take."""
    told, evaluations = campaign(kt, seed)
    exact = exact_rates(STEP, STRIDE, kt)
    name, rows = f"kT = {kt:g}, seed {seed}", []
    for what, reading, truth in (
        ("left to right", told.rate, exact.there),
        ("right to left", told.rate_back, exact.back),
    ):
        if reading.value is None or reading.stderr is None:
            rows.append(Row(f"{name}: {what}", float("nan"), "", reading.why, "known", False))
            continue
        z = (reading.value - truth) / reading.stderr
        error = reading.stderr / reading.value
        rows.append(Row(f"{name}: rate {what}", reading.value, "/step", f"{truth:.4g}"))
        rows.append(Row(f"{name}: its error", error, "", "relative"))
        rows.append(Row(f"{name}: off by", z, "sigma", "", "2", abs(z) < 2))
        # of n passages the relative error is 1/√n
        plain = 1.0 / (error**2 * exact.flux)
        share = evaluations / plain
        rows.append(
            Row(f"{name}: evaluations, over plain steps'", share, "", f"{plain:.2g}", "0.1",
                share < 0.1 if kt < 1 else None)
        )  # fmt: skip
    if kt == 1.0:
        rows += beside_plain(told, seed)
    return rows


def beside_plain(told: TransitionPaths, seed: int) -> list[Row]:
    """Against a long plain simulation."""
    passages, spent = plain_rates(STEP, STRIDE, *PLAIN, seed)
    rows = []
    for end, (what, reading) in enumerate((("left to right", told.rate), ("back", told.rate_back))):
        rate = passages[end] / spent[end]
        assert reading.value is not None
        assert reading.stderr is not None
        z = (reading.value - rate) / np.hypot(reading.stderr, rate / np.sqrt(passages[end]))
        seen = f"{rate:.4g}, {passages[end]:.0f} passages"
        name = f"plain dynamics, {what}: off by"
        rows.append(Row(name, float(z), "sigma", seen, "2", bool(abs(z) < 2)))
    return rows


def campaign(kt: float, seed: int) -> tuple[TransitionPaths, int]:
    """What it told, and its evaluations."""
    colder = COLDER if kt < 1 else ()
    return kept_paths(FILE, f"paths-{kt:g}-{seed}", seed, (f"system.kT={kt:g}", *colder))
