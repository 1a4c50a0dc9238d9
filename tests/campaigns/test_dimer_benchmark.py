"""What the benchmark of the dimer rests on: its verdicts, crossings, passages and proposals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from driving import Drive
from steered import campaigns
from steered.campaigns import Run, kept, note, spared
from steered.crossings import BOTTOMS, count, passage
from steered.equal_cost import Case, judged, table
from steered.paths import CELLS, LINEAR, RANGE, TOP, Across, Pool

from msgen.actors.cv_space.proposals import StratumProposals
from msgen.actors.cv_space.strata import Partition
from msgen.models.defensive_mixture import Broad
from msgen.models.tabulated import Tabulated
from msgen.systems.base import Walkers

CASE = Case("case", "file", "a", (1.0, 0.0), 1e6, {"chain": (), "BAR": ()})


def run_of(seed: int, f: float | None, error: float | None) -> Run:
    states = {"a": (0.0, 0.0), "rest": (None if f is None else -f, error)}
    return Run("file", seed, "exhausted", [], states, *[0.4] * 12, {}, {})


@pytest.mark.parametrize(("stderr", "holds"), [(0.1, True), (0.02, False)])
def test_errors_are_judged_by_the_reference(stderr: float, holds: bool) -> None:
    found = [run_of(s, 1.0 + miss, stderr) for s, miss in enumerate((0.15, -0.1, 0.05))]
    rows = {r.what.rpartition(": ")[2]: r for r in judged(CASE, "BAR", found)}
    assert rows["χ²"].holds is holds
    assert rows["reported error, RMS"].value == pytest.approx(stderr)
    assert rows["true error, RMS"].value == pytest.approx(np.sqrt((0.15**2 + 0.1**2 + 0.05**2) / 3))


def test_a_seed_without_an_answer_is_counted_and_not_averaged() -> None:
    known, unknown = run_of(1, 1.1, 0.1), (run_of(2, None, None), run_of(3, 0.9, None))
    text = table(CASE, {"chain": [known, *unknown], "BAR": list(unknown)})
    assert "| 1.100 | 0.100 | 0.100 | 0.00 M | 1 of 3 |" in text
    assert "| – | – | – | 0.00 M | 0 of 2 |" in text


def test_what_was_kept_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "KEPT", tmp_path)
    one = run_of(4, 1.2, 0.3)
    note(one, "a label", ["x=1"])
    assert kept("a label", 4) == one
    assert kept("a label", 5) is None
    assert spared("a label", 4, ["x=1"]) is None, "nothing is spared unless it is asked for"
    monkeypatch.setenv("STEERED", "kept")
    assert spared("a label", 4, ["x=1"]) == one
    assert spared("a label", 4, ["x=2"]) is None


def test_a_crossing_goes_from_core_to_core() -> None:
    low, high, between = BOTTOMS[0], BOTTOMS[1], TOP
    assert count(np.array([low, between, low, between, high, between, high, low])) == 2
    assert count(np.array([low, between, low])) == 0


def pool_of(trail: np.ndarray) -> Pool:
    return Pool(100, Walkers(trail[:, None]), trail, trail)


def test_passages_of_a_flat_surface_are_those_of_the_textbook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of free diffusion between reflecting ends, (b² − a²)/2D one way."""
    monkeypatch.setattr(Pool, "density", lambda self, h: np.full(CELLS, 1.0 / CELLS))
    (a, b), high = BOTTOMS, RANGE[1]
    exact = 0.25 * ((b**2 - a**2) + ((high - a) ** 2 - (high - b) ** 2))
    # the ends a and b fall inside cells of a tenth
    assert passage(pool_of(np.ones(1)), 2.0) == pytest.approx(exact, rel=0.03)


def test_weights_take_the_easy_dimer_to_any_other() -> None:
    r = np.linspace(0.2, 6.4, 2001)
    pool = pool_of(r)
    w = pool.weights(6.0, r)
    barrier = np.log(w[np.argmin(abs(r - BOTTOMS[0]))] / w[np.argmin(abs(r - TOP))])
    assert barrier == pytest.approx(6.0 - 0.2, abs=0.01)
    n, rng = 4000, np.random.default_rng(3)
    drawn = pool.draw(6.0, n, rng).positions[:, 0]
    share = w[r < TOP].sum()
    assert np.mean(drawn < TOP) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))


def test_paths_across_are_proposed_by_the_same_density() -> None:
    mass = np.linspace(1.0, 3.0, CELLS)
    box = Broad([False], lower=np.array(RANGE[:1]), upper=np.array(RANGE[1:]))
    whole = Partition.whole(LINEAR)
    q = StratumProposals(Tabulated(*RANGE, mass), box, 0.1, whole, np.zeros(1))
    compact = np.arange(500) % 2 == 0
    zero = np.zeros(500, dtype=np.int64)
    lam = Across(q, compact).sample(zero, np.random.default_rng(5))
    assert ((lam[:, 0] < TOP) == ~compact).all()
    assert np.array_equal(Across(q, compact).log_prob(lam, zero), q.log_prob(lam, zero))


def test_windows_without_a_model_hold_a_solute_in_its_solvent() -> None:
    """Whose particles are no one molecule, and have no coordinates for a model."""
    drive = Drive.of(
        "papers/steered_dimer",
        "system={kind: dimer, particles: 20, box: 6.7, timestep: 0.01 ps, platform: CPU}",
        "strategy={kind: umbrella, seeds: neighbour, windows: {r: 4}, relax: 50, "
        "local: {kind: langevin, steps: 50}}",
        "replicas=2",
    ).produce(2)
    assert drive.strategy.estimate(drive.state).states["compact"].f_kT is not None
