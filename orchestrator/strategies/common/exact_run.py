"""The finished campaign that states, starts and free energies come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate
from msgen.orchestrator.schema.differences import tree_differences
from msgen.orchestrator.strategies.common.configuration_rules import covered
from msgen.orchestrator.strategies.common.nested import FIELD
from msgen.systems.base import Array
from msgen.systems.errors import SpecError

if TYPE_CHECKING:
    from msgen.orchestrator.reporting.samples import Samples
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun
    from msgen.orchestrator.strategies.common.reweighting import StoredSamples

Ints = NDArray[np.int64]

_SAME = ("system", "cvs", "states")


@dataclass(frozen=True, eq=False)
class Exact:
    """What an exact campaign tells.

    Attributes
    ----------
    states : Partition
    share : Array, shape (K,)
        Equilibrium probability of each state; 0 where nobody can begin there.
    positions : Array, shape (n, D)
        Samples.
    xi : Array, shape (n, C)
        Their CVs.
    region : int array, shape (n,)
        The state of each.
    weight : Array, shape (n,)
        Equilibrium weights, right inside each state.
    estimate : Estimate
    missing : tuple of str
        States without a free energy or without a sample.
    """

    states: Partition
    share: Array
    positions: Array
    xi: Array
    region: Ints
    weight: Array
    estimate: Estimate
    missing: tuple[str, ...]

    def drawn(self, region: int, number: int, rng: np.random.Generator) -> Array:
        """Systematically resampled configurations of one state, shape (number, D)."""
        mine = np.flatnonzero((self.region == region) & (self.weight > 0))
        total = np.cumsum(self.weight[mine])
        at = (rng.random() + np.arange(number)) / number * total[-1]
        found = np.minimum(np.searchsorted(total, at, side="right"), len(mine) - 1)
        return np.asarray(self.positions[mine[found]])


def exact_of(run: FinishedRun, campaign: Campaign, n_dof: int) -> Exact:
    """What a finished run tells a campaign of the same system.

    Raises
    ------
    SpecError
        If it is not finished, is of something else, or kept no configurations.
    """

    def wrong(problem: str, remedy: str) -> SpecError:
        return SpecError(FIELD, run.name, problem, remedy)

    asked = campaign.to_dict()
    here, there = (
        {key: _without_platform(key, tree.get(key)) for key in _SAME}
        for tree in (asked, run.sections)
    )
    if different := tree_differences(there, here):
        what = f"is of another campaign: {'; '.join(different[:3])}"
        raise wrong(what, "Give both the same system, cvs and states")
    if run.borrowed:
        what = "begins with another run and tells no free energy of its own"
        raise wrong(what, "Name the exact run that it began with")
    if run.status not in ("converged", "exhausted"):
        raise wrong(f"is not finished ({run.status})", "Let it run to its end first")
    names = run.cvs
    if names != tuple(campaign.cvs):
        what = f"went on along more CVs: {', '.join(names)}"
        raise wrong(what, "Name these CVs in both campaigns")
    found = None if run.samples is None else _configurations(run.samples, campaign, n_dof)
    if found is None:
        what = "kept no configurations to begin in"
        remedy = "Repeat it with output: {trajectory: dcd}; of an analytic system, with every "
        raise wrong(what, f"{remedy}coordinate as a CV")
    xi, positions, weight = found
    periodic = np.array([cv.is_periodic for cv in campaign.cvs.values()])
    states = Partition.from_boxes(campaign.spec_states() or {}, names, periodic)
    region = states.assign(xi)
    f = _free_energies(run.estimate, states.names)
    there_is = np.array([bool((weight[region == k] > 0).any()) for k in range(len(states))])
    share = np.where(np.isfinite(f) & there_is, np.exp(np.nanmin(f) - f), 0.0)
    share = np.nan_to_num(share)
    if not share.any():
        raise wrong("tells the free energy of no state", "Let it run for longer")
    missing = tuple(n for n, p in zip(states.names, share, strict=True) if not p > 0)
    kept = share / share.sum()
    return Exact(states, kept, positions, xi, region, weight, run.estimate, missing)


def weights_of_stored(samples: StoredSamples) -> Array:
    """Of frames by the state that their trajectory began in; they sum to 1."""
    start = samples.read("start").astype(np.int64)
    f = _free_energies(samples.estimate, tuple(samples.estimate.states))
    own = samples.read("apart") == 0
    counted = samples.counted() & own & np.isfinite(f[start]) & np.isfinite(samples.xi).all(axis=1)
    number = np.bincount(start[counted], minlength=len(f))
    weight = np.where(counted, np.exp(np.nanmin(f) - f[start]), 0.0)
    weight = weight / np.maximum(number[start], 1)
    return np.asarray(weight / max(float(weight.sum()), float(np.finfo(np.float64).tiny)))


def _configurations(
    samples: Samples, campaign: Campaign, n_dof: int
) -> tuple[Array, Array, Array] | None:
    """CVs, coordinates and weights of what was kept whole; None if nothing was."""
    if samples.frames is not None:
        rows = samples.frame_rows
        return samples.cvs[rows], samples.frames, samples.weight[rows]
    # where every coordinate is a CV, samples are configurations
    place = covered(campaign, n_dof)
    if place is None:
        return None
    positions = np.empty_like(samples.cvs)
    positions[:, place] = samples.cvs
    return samples.cvs, positions, samples.weight


def _free_energies(estimate: Estimate, names: tuple[str, ...]) -> Array:
    """Of the states, kT; NaN where not known."""
    known = [estimate.states.get(name) for name in names]
    return np.array([np.nan if s is None or s.f_kT is None else s.f_kT for s in known])


def _without_platform(key: str, section: Any) -> Any:
    """On which platform a system runs makes it no other."""
    if key != "system" or not isinstance(section, Mapping):
        return section
    return {name: value for name, value in section.items() if name != "platform"}
