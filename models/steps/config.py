"""What a model of steps is made of, without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgen.models.base import Json
from msgen.models.config import ModelConfig
from msgen.models.nets.step_net import StepNet
from msgen.models.steps.data import Turning
from msgen.models.steps.noise import Even, Predicts, StepNoise
from msgen.models.training.settings import Training
from msgen.systems.topology.modelled_atoms import AUTO, Types, Which

Symmetry = Literal["turned", "equivariant"]


@dataclass(frozen=True, kw_only=True)
class StepConfig(ModelConfig):
    """What a model of steps is made of, without its weights.

    Attributes
    ----------
    atoms, types, solute : str
        Which atoms of a molecule it is for, and what their types are: see
        `msgen.systems.topology.modelled_atoms`.
    species : tuple of str
        Types of atoms that it knows; a fit to others begins anew.
    conditions : int
        Numbers that a step is conditional on.
    width, layers : int
        Of the net.
    cutoff : float
        Of its edges, nm.
    symmetry : {'turned', 'equivariant'}
        turned: every structure is turned at random, in fits and in draws; equivariant: the net
        turns with it.
    turning : {'aligned', 'free'}
        How steps are taken from data, see `Pairs.of`.
    scale : float
        What displacements in Å are multiplied by before they are noised.
    predicts : {'noise', 'velocity'}
    even : {'log_snr', 'time'}
        Of the noise process, see `StepNoise`.
    steps : int
        Of the solver, each of which asks the net three times.
    past : int
        Frames that a step is drawn by, that where it begins among them.
    """

    atoms: Which
    types: Types
    solute: str | tuple[int | str, ...] = AUTO
    species: tuple[str, ...] = ()
    conditions: int
    width: int
    layers: int
    cutoff: float
    symmetry: Symmetry
    turning: Turning
    scale: float
    predicts: Predicts
    even: Even
    steps: int
    training: Training
    past: int = 1

    @property
    def process(self) -> StepNoise:
        """The noise process."""
        return StepNoise.learnt_by(self.predicts, self.even)

    def net(self) -> StepNet:
        """A net with first weights of torch's global generator."""
        return StepNet(
            max(1, len(self.species)),
            self.conditions,
            self.width,
            self.layers,
            10 * self.cutoff,
            equivariant=self.symmetry == "equivariant",
            earlier=self.past - 1,
        )

    def to_json(self) -> dict[str, Json]:
        """As lists and scalars."""
        return {**super().to_json(), "kind": "step_diffusion"}
