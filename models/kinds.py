"""Every kind of model, ours and those of plug-ins, known without numpy and torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from msgen.systems.plugins import Registry

if TYPE_CHECKING:
    from pydantic import BaseModel

    from msgen.models.base import Json, ModelState, Space, Stated

GROUP = "msgen.models"
"""Entry points of models outside this repository; each is a `ModelKind`."""


@dataclass(frozen=True)
class ModelKind:
    """One kind of model; a plug-in names one as its entry point.

    Attributes
    ----------
    name : str
        The word after ``kind:`` in a campaign's `model:` section, and in the config of a state.
    build : callable
        ``build(space, **settings)``: a `GenerativeModel` on a `Space`, not yet fitted, or a
        `TrajectoryModel` whose frames are of this space and whose conditions are its context, or a
        `StepModel`, of which the space says the conditions alone. The
        settings are the fields of the section but `kind`, checked and with every default filled in:
        what is left to refuse, by a `SpecError`, is what does not fit the space.
    load : callable
        The inverse of the model's `state`, bit for bit.
    section : type or None
        A `msgen.orchestrator.schema.models.ModelSection`, which says, checks and defaults the
        settings. Those of our own kinds, in the same module, are not named here.
    """

    name: str
    build: Callable[..., Stated]
    load: Callable[[ModelState], Stated]
    section: type[BaseModel] | None = None


def _ours(name: str, module: str, model: str) -> ModelKind:
    """A kind of this package; its module, and torch with it, is imported when there is one."""

    def build(variables: Space, /, **settings: Json) -> Stated:
        made: Stated = import_module(f"msgen.models.{module}").build(variables, **settings)
        return made

    def load(state: ModelState) -> Stated:
        kind = getattr(import_module(f"msgen.models.{module}"), model)
        made: Stated = kind.from_state(state)
        return made

    return ModelKind(name, build, load)


_OWN = (
    _ours("spline_flow", "coupling.spline_flow", "SplineFlow"),
    _ours("realnvp", "coupling.realnvp", "RealNVP"),
    _ours("copula_flow", "coupling.copula_flow", "CopulaFlow"),
    _ours("cnf", "continuous.cnf", "ContinuousFlow"),
    _ours("flow_matching", "continuous.flow_matching", "FlowMatching"),
    _ours("equivariant_flow", "continuous.equivariant_flow", "EquivariantFlow"),
    _ours("kde", "kde", "KernelDensity"),
    _ours("score", "score.model", "ScoreModel"),
    _ours("trajectory_diffusion", "trajectories.model", "TrajectoryDiffusion"),
    _ours("step_diffusion", "steps.model", "StepDiffusion"),
)

KINDS: Registry[ModelKind] = Registry(GROUP, ModelKind, {kind.name: kind for kind in _OWN})
"""Models by the ``kind:`` of their section."""
