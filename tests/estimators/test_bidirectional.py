"""The profile from work at intermediate λ: exact where it is known, with errors that cover.

Right is within 4.5 σ of every bin looked at, wrong beyond 6 σ for at least one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from steering import CVS, LINEAR, WELL, Case, Normals

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.proposals import StratumProposals, log_masses
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.switching.steered import steer
from msgen.orchestrator.estimators.histogram import Grid, block_sums
from msgen.orchestrator.estimators.stratified import Populations
from msgen.orchestrator.estimators.works.bidirectional import Readings, log_weights, profile
from msgen.orchestrator.estimators.works.network import NetworkResult, PairWorks, solve_network
from msgen.orchestrator.estimators.works.reading_density import Fine, Reach
from msgen.systems.base import Array

RIGHT, WRONG = 4.5, 6.0
GRID = Grid.regular(((-1.6, 1.6),), (32,), (False,))
LOOKED = slice(4, 28)
"""Bins below 4 kT at the outer ends; beyond, a mean over few paths is no normal variable."""
SCHEDULE = Schedule(
    Conditional(np.array([60.0]), LINEAR),
    0.06,
    90.0,
    np.ones(1),
    friction=0.3,
    refresh=3,
    readings=12,
)
CASE = replace(
    WELL, border=0.1, schedule=SCHEDULE, model=Normals((0.92, -1.05), 0.3, ((1.0, 0.0), (0.0, 1.0)))
)
EXACT = replace(CASE, schedule=replace(SCHEDULE, scheme="moving"))
Ints = NDArray[np.int64]
Change = Callable[[Readings], Readings]


def ends(case: Case, fine: Fine, partition: Partition) -> Array:
    """h: the proposals' own normals, with broad tails."""
    lam = fine.centres[:, None]
    one_hot = np.eye(2)
    rows = [np.exp(case.model.log_prob(lam, one_hot[[k] * len(lam)])) + 0.03 for k in (0, 1)]
    return np.array(rows if len(partition) > 1 else [rows[0] + rows[1]])


@dataclass
class Sample:
    """Paths and the blocks that they are counted to."""

    case: Case
    partition: Partition
    reach: Reach
    readings: Readings
    block: Array


def sample(case: Case, n: int, blocks: int, seed: int, *, chain: bool = False) -> Sample:
    """n paths from each state, or over all CV space, from exact draws in independent blocks."""
    partition = Partition.whole(LINEAR) if chain else case.partition
    proposals = case.proposals(partition if chain else None)
    fine = Fine.of(GRID.edges[0], False)
    weight = np.ones((1, 1)) if chain else 1.0 - np.eye(2)
    g = None if case.schedule.exact else case.schedule.g
    h = ends(case, fine, partition)
    reach = Reach.of(fine, h, partition, case.schedule.read_at, weight, g)
    parts = []
    for k in range(len(partition)):
        rng = np.random.default_rng(seed + k)
        walkers = case.draws(n, rng, None if chain else k)
        xi = CVS(walkers.positions)
        source = np.full(n, k)
        target = source if chain else 1 - source
        args = (source, target, partition, proposals, case.schedule, rng)
        paths = steer(case.make(rng), walkers, xi, *args)
        assert paths.profile_xi is not None
        assert paths.profile_work is not None
        assert paths.profile_start is not None
        weighed = reach.log_ends(paths.start[:, 0], paths.stop[:, 0], source, target)
        xi, partial = paths.profile_xi[..., 0], paths.profile_work
        start = paths.profile_start + weighed
        parts.append((Readings(source, target, paths.work, xi, partial, start), k * blocks))
    joined = Readings(
        *(
            np.concatenate([getattr(r, name) for r, _ in parts])
            for name in ("source", "target", "generalised_work", "xi", "partial", "log_start")
        )
    )
    block = np.concatenate([first + np.arange(n) * blocks // n for _, first in parts])
    return Sample(case, partition, reach, joined, block)


def unchanged(readings: Readings) -> Readings:
    return readings


def estimate(
    s: Sample, change: Change = unchanged, density: Array | None = None
) -> tuple[Populations, NetworkResult]:
    """The profile on `GRID`, ΔF from the same paths."""
    k, blocks = len(s.partition), int(s.block.max()) + 1
    r = change(s.readings)
    pairs = []
    for a, b in itertools.combinations(range(k), 2):
        there, back = ((r.source == i) & (r.target == j) for i, j in ((a, b), (b, a)))
        works = (r.generalised_work[there], r.generalised_work[back], s.block[there], s.block[back])
        pairs.append(PairWorks(a, b, *works))
    network = solve_network(k, pairs)
    reach = s.reach if density is None else replace(s.reach, density=density)
    weights = np.exp(log_weights(r, network.f, np.zeros((k, k))) - reach.log_at(r.xi))
    m = r.xi.shape[1]
    sums, paths = np.zeros((k, blocks, GRID.size)), np.zeros((k, blocks))
    for a in range(k):
        mine = r.source == a
        labels = GRID.index(r.xi[mine].reshape(-1, 1))
        ids = np.repeat(s.block[mine], m)
        sums[a] = block_sums(labels, GRID.size, ids, blocks, weights[mine].reshape(-1))
        paths[a] = np.bincount(s.block[mine], minlength=blocks)
    return profile(sums, paths, network), network


def truth(case: Case) -> Array:
    """−ln P of the bins of `GRID`, exactly."""
    z, p = case.density
    ends = np.append(z - 0.5 * (z[1] - z[0]), z[-1] + 0.5 * (z[1] - z[0]))
    below = np.interp(GRID.edges[0], ends, np.append(0.0, p.cumsum()))
    return np.asarray(-np.log(np.diff(below)))


def deviations(s: Sample, change: Change = unchanged, density: Array | None = None) -> Array:
    """(F(l) − F(lowest) − exact)/σ of the bins looked at."""
    found, _ = estimate(s, change, density)
    exact = truth(s.case)
    lowest = int(np.argmin(exact))
    out = []
    for k in range(GRID.size)[LOOKED]:
        if k != lowest:
            value, error = found.difference(lowest, k)
            out.append((value - exact[k] + exact[lowest]) / error)
    return np.array(out)


@pytest.fixture(scope="module")
def bridged() -> Sample:
    return sample(CASE, 6000, 60, 11)


@pytest.fixture(scope="module")
def chained() -> Sample:
    return sample(CASE, 8000, 80, 13, chain=True)


@pytest.fixture(scope="module")
def exact() -> Sample:
    return sample(EXACT, 6000, 60, 17)


@pytest.mark.parametrize("name", ["bridged", "chained", "exact"])
def test_the_profile_is_exact(name: str, request: pytest.FixtureRequest) -> None:
    off = deviations(request.getfixturevalue(name))
    assert np.abs(off).max() < RIGHT
    # so are they taken together; bins are correlated, so that this is a loose bound
    assert np.sqrt(np.mean(off**2)) < 2.0


@pytest.mark.parametrize("name", ["bridged", "exact"])
def test_twin_with_partial_work_of_the_wrong_sign_is_caught(
    name: str, request: pytest.FixtureRequest
) -> None:
    off = deviations(request.getfixturevalue(name), lambda r: replace(r, partial=-r.partial))
    assert np.abs(off).max() > WRONG


@pytest.mark.parametrize("name", ["bridged", "exact"])
def test_twin_without_the_work_is_caught(name: str, request: pytest.FixtureRequest) -> None:
    off = deviations(request.getfixturevalue(name), lambda r: replace(r, partial=0.0 * r.partial))
    assert np.abs(off).max() > WRONG


def test_twin_without_the_density_of_readings_is_caught(bridged: Sample) -> None:
    off = deviations(bridged, density=np.ones_like(bridged.reach.density))
    assert np.abs(off).max() > WRONG


def test_twin_without_the_weight_of_the_ends_is_caught(bridged: Sample) -> None:
    off = deviations(bridged, lambda r: replace(r, log_start=np.where(r.log_start > -99, 0, -99.0)))
    assert np.abs(off).max() > WRONG


def test_twin_with_forward_paths_alone_is_caught(bridged: Sample) -> None:
    """Without the paths back, the bridging function leaves half of the ensemble out."""
    off = deviations(
        bridged, lambda r: replace(r, log_start=np.where(r.source == 0, r.log_start, -np.inf))
    )
    assert np.abs(off).max() > WRONG


def test_three_strata_pairs_weighed_unevenly() -> None:
    """The barrier a state of its own; wrong if pairs are weighed otherwise than M says."""
    boxes = {"left": {"x": (-np.inf, -0.5)}, "top": {"x": (-0.5, 0.45)}}
    partition = Partition.from_boxes(boxes, ["x"], LINEAR)
    model = Normals((-1.05, 0.0, 0.92), 0.3, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    case, rng, n, blocks = replace(EXACT, model=model), np.random.default_rng(31), 4000, 40
    broad = case.proposals().broad
    mass, _ = log_masses(model, broad, 0.1, partition, rng)
    proposals = StratumProposals(model, broad, 0.1, partition, mass)
    fine = Fine.of(GRID.edges[0], False)
    lam = fine.centres[:, None]
    h = np.array([np.exp(proposals.log_prob(lam, np.full(len(lam), k))) for k in range(3)])
    weight = np.array([[0.0, 1.0, 0.2], [1.0, 0.0, 3.0], [0.2, 3.0, 0.0]])
    reach = Reach.of(fine, h, partition, case.schedule.read_at, weight, None)
    parts, ids = [], []
    for k in range(3):
        walkers = case.draws(n if k != 1 else 1_200_000, rng, {0: 1, 1: None, 2: 0}[k])
        xi = CVS(walkers.positions)
        mine = np.flatnonzero(partition.assign(xi) == k)
        walkers, xi = walkers.take(mine), xi[mine]
        source = np.full(len(mine), k)
        target = (source + 1 + (rng.random(len(mine)) < 0.5)) % 3
        paths = steer(
            case.make(rng), walkers, xi, source, target, partition, proposals, case.schedule, rng
        )
        assert paths.profile_xi is not None
        assert paths.profile_work is not None
        assert paths.profile_start is not None
        start = paths.profile_start + reach.log_ends(
            paths.start[:, 0], paths.stop[:, 0], source, target
        )
        read = (paths.profile_xi[..., 0], paths.profile_work, start)
        parts.append(Readings(source, target, paths.work, *read))
        ids.append(k * blocks + np.arange(len(mine)) % blocks)
    names = [f.name for f in fields(Readings)]
    joined = Readings(*(np.concatenate([getattr(r, name) for r in parts]) for name in names))
    s = Sample(case, partition, reach, joined, np.concatenate(ids))
    off = deviations(s)
    assert np.abs(off).max() < RIGHT
    assert np.sqrt(np.mean(off**2)) < 2.0
    even = replace(s, reach=replace(reach, weight=1.0 - np.eye(3)))
    start = joined.log_start - np.log(weight[joined.source, joined.target])
    assert np.abs(deviations(even, lambda r: replace(r, log_start=start))).max() > WRONG


class AboutRest(ArrayEngine):
    """Readings that weigh the velocity of a steered coordinate about 0."""

    def _carried(self, schedule: Schedule, delta: Array, levels: Ints, level: Ints) -> Array:
        return np.zeros((len(delta), self.system.n_dof))


def test_short_stiff_paths_are_read_about_the_motion_of_their_restraint() -> None:
    """A path of 20 steps, its coordinate as heavy as 500: right, and useless about rest."""
    stiff = replace(
        SCHEDULE,
        g=Conditional(np.array([800.0]), LINEAR),
        dt=0.75,
        steps_per_unit=10.0,
        friction=0.0,
    )
    errors = []
    for engine in (ArrayEngine, AboutRest):
        s = sample(replace(CASE, schedule=stiff, engine=engine), 600, 20, 100)
        found, _ = estimate(s)
        exact = truth(CASE)
        off = found.f[LOOKED] - exact[LOOKED]
        errors.append(float(np.std(off)))
        if engine is ArrayEngine:
            assert np.abs(deviations(s)).max() < RIGHT
    assert errors[0] < 0.25
    assert errors[1] > 3 * errors[0]


def part(s: Sample, which: int, of: int) -> Sample:
    """Every `of`-th block, renumbered."""
    mine = s.block % of == which
    r = Readings(*(getattr(s.readings, f.name)[mine] for f in fields(Readings)))
    return Sample(s.case, s.partition, s.reach, r, s.block[mine] // of)


REPEATS = 100


@pytest.mark.parametrize(
    ("case", "chain"),
    [
        (EXACT, False),
        pytest.param(CASE, False, marks=pytest.mark.slow),
        pytest.param(CASE, True, marks=pytest.mark.slow),
    ],
)
def test_the_intervals_cover(case: Case, chain: bool) -> None:
    """68 and 95 % within 4 binomial σ over 100 campaigns: barrier, upper well, and ΔF between."""
    n = 600 if chain else 300 if case is CASE else 160
    whole = sample(case, n * REPEATS, 12 * REPEATS, 23, chain=chain)
    exact = truth(case)
    low, top, up = (int(GRID.index(np.array([[x]]))[0]) for x in (-1.05, -0.05, 0.95))
    z: dict[str, list[float]] = {"barrier": [], "well": [], "difference": []}
    for which in range(REPEATS):
        found, _ = estimate(part(whole, which, REPEATS))
        pairs = {"barrier": (low, top), "well": (low, up), "difference": (top, up)}
        for name, (a, b) in pairs.items():
            value, error = found.difference(a, b)
            z[name].append((value - exact[b] + exact[a]) / error)
    for name, values in z.items():
        for limit, level in ((1.0, 0.683), (1.96, 0.95)):
            seen = np.mean(np.abs(values) < limit)
            off = abs(seen - level)
            assert off < 4 * np.sqrt(level * (1 - level) / REPEATS), f"{name}: {seen}"


def test_the_density_of_readings_is_that_of_draws() -> None:
    """M by quadrature against draws of both ends and of ξ given λ, on a circle and on a line."""
    rng, n = np.random.default_rng(5), 40_000
    for periodic in (True, False):
        g = Conditional(np.array([30.0]), np.array([periodic]))
        edges = np.linspace(-np.pi, np.pi, 37)
        boxes = {"a": {"x": (-1.0, 1.5)}}
        partition = Partition.from_boxes(boxes, ["x"], np.array([periodic]))
        fine = Fine.of(edges, periodic)
        c = fine.centres
        h = np.array([np.exp(-8 * c**2) + 0.1, np.exp(2.0 * np.cos(c - 2.8)) * (np.abs(c) < 3.1)])
        schedule = Schedule(g, 0.1, 20.0, np.ones(1), readings=8)
        weight = 1.0 - np.eye(2)
        for held in (g, None):
            reach = Reach.of(fine, h, partition, schedule.read_at, weight, held)
            cells = [rng.choice(len(c), n, p=p * fine.width) for p in reach.ends]
            ends = [c[i] + fine.width * (rng.random(n) - 0.5) for i in cells]
            lam = schedule.read_at(ends[0][:, None], ends[1][:, None]).reshape(-1, 1)
            xi = lam if held is None else g.sample(lam, rng)
            grid = Grid((edges,), (periodic,))
            label = grid.index(xi)
            seen = np.bincount(label[label >= 0], minlength=36) / n
            which = grid.index(c[:, None])
            inside = which >= 0
            told = np.bincount(which[inside], reach.density[inside] * fine.width, 36)
            # readings of one path are correlated: the variance of a count is below 8 times its own
            off = (seen - told) / np.sqrt(8 * np.maximum(told, 1e-4) / n)
            assert np.abs(off).max() < RIGHT
            total = reach.density.sum() * fine.width
            assert total == pytest.approx(8.0, rel=1e-3)
            again = decode(Reach, encode(reach))
            assert np.array_equal(again.log_at(xi), reach.log_at(xi))
            assert np.isposinf(reach.log_at(np.array([np.nan]))).all()
