"""Paths that go where a learnt dynamics does leave the density as it is, whatever was learnt.

Right is within 4.5 σ of several observables at once, wrong beyond 6 σ for at least one.
Deliberately wrong twins: the way back left out, or told by another version, a lag that depends on
where one is. (A way back at a lag of its own is no wrong one, if that is drawn evenly, too.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from drifting_steps import Drift, Mixed, Relaxing
from steering import CVS, LINEAR, WELL, Case, chain_deviation

from msgen.actors.cv_space.proposals import Aim, StepProposals
from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.switching.steered import accept, steer
from msgen.models.defended_steps import DefendedSteps, Stepping
from msgen.models.defensive_mixture import Broad
from msgen.systems.base import Array, Walkers
from msgen.systems.potentials.mixtures import GaussianMixture

RIGHT, WRONG = 4.5, 6.0
BRISK = replace(WELL, schedule=replace(WELL.schedule, steps_per_unit=40.0, refresh=4))
HELD = replace(WELL, schedule=replace(WELL.schedule, steps_per_unit=20.0, scheme="moving"))
LAGS = (0.25, 2.5)
MODEL = Drift(0.7, 0.2, 0.5)
WIDE = Broad([False], lower=np.array([-1.6]), upper=np.array([1.6]))


def steps(model: Stepping = MODEL, lags: tuple[float, ...] = LAGS) -> DefendedSteps:
    return DefendedSteps(model, lags, WIDE, 0.1)


def off(case: Case, proposals: StepProposals) -> float:
    return chain_deviation(case, n=6000, moves=8, proposals=proposals)


@pytest.mark.parametrize("case", [BRISK, HELD], ids=["pulled", "held"])
def test_a_chain_of_learnt_steps_is_exact(case: Case) -> None:
    assert off(case, StepProposals(steps())) < RIGHT


class OneWay(StepProposals):
    """A wrong twin: the way back is taken to be as likely as the way there."""

    def propose(
        self, start: Array, source: Labels, target: Labels, rng: np.random.Generator
    ) -> Aim:
        aim = super().propose(start, source, target, rng)
        return aim._replace(log_back=aim.log_there)


@dataclass(frozen=True)
class Choosy(DefendedSteps):
    """A wrong twin: long lags in the left well, short ones in the right."""

    def draw(self, before: Array, rng: np.random.Generator) -> tuple[Array, Labels]:
        which = (before[:, 0] < 0).astype(np.int64)
        return self.proposal.sample(before, self.lag(which), rng), which


@pytest.mark.parametrize(
    "proposals",
    [
        OneWay(steps()),
        StepProposals(steps(Mixed(0.7, 0.2, 0.5))),
        StepProposals(Choosy(MODEL, LAGS, WIDE, 0.1)),
    ],
    ids=["way back left out", "versions mixed", "lag by place"],
)
def test_wrong_learnt_steps_are_seen(proposals: StepProposals) -> None:
    assert off(BRISK, proposals) > WRONG


def test_a_perfect_model_along_reversible_paths_is_always_accepted() -> None:
    """One Gaussian coordinate, held at λ: the work is the difference of the energy."""
    system = GaussianMixture([[0.0, 0.0]], [[1.0, 0.5]], [1.0])
    engine, rng, n = ArrayEngine(system, CVS, Mala(0.1)), np.random.default_rng(6), 400
    engine.begin(rng)
    walkers = Walkers(rng.standard_normal((n, 2)) * [1.0, 0.5])
    zero, schedule = np.zeros(n, dtype=np.int64), replace(HELD.schedule, dt=0.02, min_steps=20)
    perfect = StepProposals(DefendedSteps(Relaxing(), (0.3, 1.5), WIDE, 1e-12))
    xi = CVS(walkers.positions)
    whole = Partition.whole(LINEAR)
    paths = steer(engine, walkers, xi, zero, zero, whole, perfect, schedule, rng)
    assert accept(paths, rng).mean() > 0.99
    assert paths.lag is not None
    assert set(paths.lag.tolist()) == {0.3, 1.5}
