"""A diffusion model of the step that a molecule takes in a lag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array, FitReport, ModelState, Space
from msgen.models.nets.step_net import Atoms, StepNet, centred, turned
from msgen.models.score.keyed_noise import DrawKey, RowStreams
from msgen.models.score.samplers import descend, dpm_solver_3_step, normal
from msgen.models.steps.config import StepConfig, Symmetry
from msgen.models.steps.data import Pairs, Turning, laid_on
from msgen.models.steps.field import StepField
from msgen.models.steps.loss import ANGSTROM, StepLoss, Steps, species_of
from msgen.models.steps.noise import Even, Predicts
from msgen.models.steps.turns import turns
from msgen.models.training.fitting import minimise
from msgen.models.training.kept_fit import KeptFit
from msgen.models.training.settings import Fit, Training
from msgen.models.trajectories.data import conditions_of
from msgen.systems.errors import SpecError
from msgen.systems.topology.modelled_atoms import Solute, Types, Which

UPDATES = 20_000
MEASURED = 256
"""Pairs that a held-out loss is taken on."""
STRETCHES = 20
"""In how many stretches of pairs the held-out ones are chosen from: neighbours are alike."""
ROWS = 64
"""Structures that go through the net at once."""


class StepDiffusion:
    """p(structure a lag later | structure) by denoising; it is drawn from and tells no density.

    Rolled out it is a simulator with steps of the lag. What it makes is never exact: tell it beside
    what the simulator makes that it learnt from.

    Parameters
    ----------
    config : StepConfig

    Notes
    -----
    The net works in single precision, what is around it in double. All randomness comes from seeds
    and keys: torch's global generator is neither read nor moved.
    """

    def __init__(self, config: StepConfig) -> None:
        self.config = config
        self.fitted = False
        # mean and standard deviation of the conditions
        self.about = np.stack((np.zeros(config.conditions), np.ones(config.conditions)))
        self.net = self._new(0)

    def fit(
        self,
        data: Sequence[Pairs],
        *,
        seed: int,
        fresh: bool = False,
        kept: KeptFit | None = None,
    ) -> FitReport:
        """Fit to pairs of one molecule or several; deterministic in `seed` on the cpu.

        A fitted model goes on from its weights unless `fresh`, or unless there are atoms of types
        that it does not know. With `kept` it goes on from what the same call had done when it was
        cut off.

        Raises
        ------
        ValueError
            For data that cannot be, or hold fewer than ten pairs.
        """
        if not data:
            raise ValueError("there are no molecules to learn from")
        known = [pairs.checked(self.config.conditions, self.config.past) for pairs in data]
        species = sorted({name for pairs in known for name in pairs.species})
        if fresh or not self.fitted or not set(species) <= set(self.config.species):
            self._begin(known, tuple(species), seed)
        about = None
        if self.config.conditions:
            about = self._standard(np.concatenate([_conditions(pairs) for pairs in known]))
        steps = Steps.of(known, self.config.species, about)
        report = minimise(
            self.net,
            StepLoss(steps, self.config),
            len(steps),
            seed=seed,
            weights=steps.weights,
            training=replace(self.config.training, stretches=STRETCHES),
            kept=kept,
        )
        self.fitted = True
        return report

    def draw(
        self,
        keys: Sequence[DrawKey],
        species: Sequence[str],
        before: Array,
        *,
        conditions: Array | None = None,
        earlier: Array | None = None,
        batch: int = ROWS,
    ) -> Array:
        """Where the molecules are a lag later, shape (n, N, 3), nm; their centres stay.

        Parameters
        ----------
        keys : sequence of DrawKey, length n
            Each row is a function of its key, what is in its batch, and the settings.
        species : sequence of str, length N
            Types of the atoms of the one molecule that all are.
        before : Array, shape (n, N, 3)
            nm.
        conditions : Array, shape (1, k) or (n, k), or None
        earlier : Array, shape (n, past − 1, N, 3), or None
            Where they were a lag ago and more, the nearest first, nm; turned in any way.
        batch : int
            Rows that go through the net at once; floats depend on it in their last bits.

        Raises
        ------
        ValueError
            For a wrong shape, or types of atoms that the model never saw.
        """
        there = np.asarray(before, dtype=np.float64)
        if there.shape != (len(keys), len(species), 3):
            raise ValueError(f"needs {len(keys)} structures of {len(species)} atoms")
        old, past = self._laid(earlier, there), self.config.past
        if (0 if old is None else old.shape[1]) != past - 1:
            raise ValueError(f"a step is drawn by {past} frames: give {past - 1} earlier ones")
        kinds = species_of(species, self.config.species)
        rows = conditions_of(conditions, len(keys), Space((), (False,) * self.config.conditions))
        about = None if rows is None else torch.as_tensor(self._standard(rows)).float()
        made = [
            self._drawn(
                keys[part],
                kinds,
                there[part],
                None if about is None else about[part],
                None if old is None else old[part],
            )
            for part in (slice(i, i + batch) for i in range(0, len(keys), batch))
        ]
        return np.concatenate([there[:0], *made])

    def state(self) -> ModelState:
        """Config and weights; `from_state` is the inverse, bit for bit."""
        arrays = {
            f"net.{name}": np.array(tensor.detach().cpu().numpy())
            for name, tensor in self.net.state_dict().items()
        }
        config = {**self.config.to_json(), "fitted": self.fitted}
        return ModelState(config, {**arrays, "about": np.array(self.about)})

    @classmethod
    def from_state(cls, state: ModelState) -> StepDiffusion:
        """The model `state` was taken from."""
        model = cls(StepConfig.from_json(state.config))
        own = {k: v for k, v in state.arrays.items() if k.startswith("net.")}
        model.net.load_state_dict({k[4:]: torch.tensor(np.asarray(v)) for k, v in own.items()})
        model.about = np.array(state.arrays["about"], dtype=np.float64)
        model.fitted = bool(state.config["fitted"])
        return model

    def _drawn(
        self,
        keys: Sequence[DrawKey],
        kinds: Tensor,
        before: Array,
        about: Tensor | None,
        old: Array | None,
    ) -> Array:
        """One batch."""
        config, noise, n = self.config, self.config.process, len(keys)
        streams = RowStreams(keys)
        centre = before.mean(axis=1, keepdims=True)
        base = torch.as_tensor(ANGSTROM * (before - centre))
        turn = torch.eye(3, dtype=torch.float64).expand(n, 3, 3)
        if config.symmetry == "turned":
            turn = turns(torch.as_tensor(streams.standard_normal((n, 4))))
        real = torch.ones(n, len(kinds), dtype=torch.bool)
        past = None if old is None else torch.as_tensor(ANGSTROM * (old - centre[:, None]))
        atoms = turned(Atoms(base, kinds.expand(n, -1), real, about, past), turn)
        atoms = atoms._replace(
            base=atoms.base.float(),
            earlier=None if atoms.earlier is None else atoms.earlier.float(),
        )
        field = StepField(self.net, noise, config.scale, atoms)
        x = math.hypot(1, noise.start) * centred(normal(base, streams), real)
        x = descend(dpm_solver_3_step, field, x, None, noise.levels(config.steps), streams)
        # single precision leaves a centre that would drift
        move = centred(x / config.scale, real) @ turn.transpose(1, 2)
        out: Array = centre + (base + move).numpy() / ANGSTROM
        return out

    def _laid(self, earlier: Array | None, before: Array) -> Array | None:
        """Past frames as the fit has them."""
        if earlier is None or not earlier.shape[1]:
            return None
        old = [laid_on(x, before, self.config.turning) for x in np.moveaxis(earlier, 1, 0)]
        return np.stack(old, axis=1)

    def _begin(self, data: Sequence[Pairs], species: tuple[str, ...], seed: int) -> None:
        """Take the types of atoms, the units of conditions and first weights of this seed."""
        self.config = replace(self.config, species=species)
        self.net = self._new(seed)
        self.fitted = False
        if self.config.conditions:
            rows = np.concatenate([_conditions(pairs) for pairs in data])
            spread = rows.std(axis=0)
            self.about = np.stack((rows.mean(axis=0), np.where(spread > 0, spread, 1.0)))

    def _standard(self, conditions: Array) -> Array:
        loc, scale = self.about
        return np.asarray((conditions - loc) / scale)

    def _new(self, seed: int) -> StepNet:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.config.net()


def _conditions(pairs: Pairs) -> Array:
    assert pairs.conditions is not None
    return pairs.conditions


def build(
    space: Space,
    *,
    atoms: Which,
    types: Types,
    solute: Solute,
    width: int,
    layers: int,
    cutoff: float,
    symmetry: Symmetry,
    turning: Turning,
    scale: float,
    predicts: Predicts,
    even: Even,
    steps: int,
    past: int,
    **fit: Unpack[Fit],
) -> StepDiffusion:
    """One that is not yet fitted; of the space the context alone counts, its conditions."""
    if any(space.context_periodic):
        what = "takes numbers for conditions, no angles"
        raise SpecError(("model", "kind"), "step_diffusion", what, "Give sine and cosine")
    return StepDiffusion(
        StepConfig(
            periodic=(),
            conditions=len(space.context_periodic),
            atoms=atoms,
            types=types,
            solute=solute if isinstance(solute, str) else tuple(solute),
            width=width,
            layers=layers,
            cutoff=cutoff,
            symmetry=symmetry,
            turning=turning,
            scale=scale,
            predicts=predicts,
            even=even,
            steps=steps,
            past=past,
            training=replace(
                Training.of(**fit),
                updates=UPDATES,
                most_epochs=UPDATES,
                measured=MEASURED,
                optimizer="radam",
            ),
        )
    )
