r"""A conditional density of where a configuration is a lag later, made of coupling flows.

.. math:: q_τ(y′|y) = q_1(y′_m - y_m \,|\, y_m, \ln τ)\; q_2(y′_s \,|\, y′_m)

y_m are the columns that move: what is learnt is by how much they do, which depends on where they
are, an angle through its cosine and sine. Of configurations these are the angles where there are
some, else all: bonds and bond angles forget themselves within any lag of interest, and are drawn
anew given the new y_m. Of CVs all of them move. Both densities are told, so that a Metropolis test
can hold a step against its way back (after Klein, Foong, Fjelde, Mlodozeniec, Brockschmidt,
Nowozin, Noé and Tomioka, Timewarp, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.models.base import Array, GenerativeModel, Json, ModelState, Space, Spec
from msgen.models.config import flags
from msgen.models.registry import build, load

Bools = NDArray[np.bool_]
KIND = "propagator"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Configurations, and where each was a lag later.

    Attributes
    ----------
    before, after : Array, shape (n, d)
    lag : Array, shape (n,)
    """

    before: Array
    after: Array
    lag: Array

    def __len__(self) -> int:
        return len(self.lag)

    def take(self, rows: NDArray[np.int64] | Bools) -> Pairs:
        """Some of them."""
        return Pairs(self.before[rows], self.after[rows], self.lag[rows])


class Propagator:
    """See the module.

    Parameters
    ----------
    periodic : sequence of bool, length d
    lags : sequence of float
        That it has learnt, in any unit.
    move : GenerativeModel
        q₁.
    redraw : GenerativeModel or None
        q₂; None where every column moves.
    moves : bool array, shape (d,), or None
        Columns that move; None: the angles, or all where there is none.
    """

    def __init__(
        self,
        periodic: Sequence[bool],
        lags: Sequence[float],
        move: GenerativeModel,
        redraw: GenerativeModel | None,
        moves: Bools | None = None,
    ) -> None:
        self.periodic = np.array(periodic, dtype=bool)
        self.lags = tuple(float(lag) for lag in lags)
        self.moving = moving(self.periodic) if moves is None else moves
        self._move, self._redraw = move, redraw

    @classmethod
    def of(
        cls,
        spec: Spec,
        periodic: Sequence[bool],
        lags: Sequence[float],
        moves: Bools | None = None,
    ) -> Propagator:
        """One that is not yet fitted, of flows as `spec` asks for."""
        angles = np.array(periodic, dtype=bool)
        mine = moving(angles) if moves is None else moves
        several = (False,) if len(lags) > 1 else ()
        space = Space(tuple(angles[mine].tolist()), (*angles[mine].tolist(), *several))
        redraw = None
        if not mine.all():
            rest = Space(tuple(angles[~mine].tolist()), tuple(angles[mine].tolist()))
            redraw = build(spec, rest)
        return cls(periodic, lags, build(spec, space), redraw, mine)

    @property
    def dim(self) -> int:
        """d."""
        return len(self.periodic)

    def fit(self, pairs: Pairs, *, seed: int) -> float:
        """Fit both densities; the held-out loss, nats a pair."""
        about = self._about(pairs.before, pairs.lag)
        step = self._step(pairs.before, pairs.after)
        loss = self._move.fit(step, seed=seed, context=about).held_out_loss
        if self._redraw is not None:
            new = pairs.after[:, self.moving]
            stiff = pairs.after[:, ~self.moving]
            loss += self._redraw.fit(stiff, seed=seed + 1, context=new).held_out_loss
        return loss

    def sample(self, before: Array, lag: Array, rng: np.random.Generator) -> Array:
        """Where each of (n, d) is after its lag, shape (n, d)."""
        n, out = len(before), np.array(before, dtype=np.float64)
        step = self._move.sample(n, rng, self._about(before, lag))
        out[:, self.moving] = self._wrapped(before[:, self.moving] + step)
        if self._redraw is not None:
            out[:, ~self.moving] = self._redraw.sample(n, rng, out[:, self.moving])
        return out

    def log_prob(self, after: Array, before: Array, lag: Array) -> Array:
        """ln q(after|before), shape (n,); −inf where either is not finite."""
        fine = np.asarray(np.isfinite(after).all(axis=1) & np.isfinite(before).all(axis=1))
        out = np.full(len(after), -np.inf)
        if not fine.any():
            return out
        new, old = after[fine], before[fine]
        told = self._move.log_prob(self._step(old, new), self._about(old, lag[fine]))
        if self._redraw is not None:
            told = told + self._redraw.log_prob(new[:, ~self.moving], new[:, self.moving])
        out[fine] = told
        return out

    def state(self) -> ModelState:
        """Config and weights of both."""
        parts = {"move": self._move.state()}
        if self._redraw is not None:
            parts["redraw"] = self._redraw.state()
        config: dict[str, Json] = {
            "schema_version": 1,
            "kind": KIND,
            "periodic": self.periodic.tolist(),
            "lags": list(self.lags),
            "moving": self.moving.tolist(),
            **{name: dict(part.config) for name, part in parts.items()},
        }
        arrays = {f"{n}.{k}": v for n, part in parts.items() for k, v in part.arrays.items()}
        return ModelState(config, arrays)

    def _about(self, before: Array, lag: Array) -> Array:
        """What a step is conditional on."""
        here = self._wrapped(before[:, self.moving])
        if len(self.lags) == 1:
            return here
        # about 0, whatever the unit
        middle = float(np.mean(np.log(self.lags)))
        return np.column_stack([here, np.log(lag) - middle])

    def _step(self, before: Array, after: Array) -> Array:
        return self._wrapped(after[:, self.moving] - before[:, self.moving])

    def _wrapped(self, y: Array) -> Array:
        """Angles in [−π, π)."""
        turn = 2 * np.pi * np.floor((y + np.pi) / (2 * np.pi))
        return np.where(self.periodic[self.moving], y - turn, y)


def moving(periodic: Bools) -> Bools:
    """The angles, or all columns where there is none."""
    return periodic if periodic.any() else np.ones_like(periodic)


def load_propagator(state: ModelState) -> Propagator:
    """The inverse of `Propagator.state`, bit for bit.

    Raises
    ------
    ValueError
        For the state of another model.
    """
    config = state.config
    if config.get("kind") != KIND:
        raise ValueError(f"the state of a {config.get('kind')} is no propagator's")
    parts: dict[str, GenerativeModel] = {}
    for name in ("move", "redraw"):
        inner = config.get(name)
        if isinstance(inner, dict):
            arrays = {k.partition(".")[2]: v for k, v in state.arrays.items() if k.startswith(name)}
            parts[name] = load(ModelState(inner, arrays))
    lags = config["lags"]
    assert isinstance(lags, list)
    numbers = [float(lag) for lag in lags if isinstance(lag, int | float)]
    # a state of before columns could be named has none
    moves = np.array(flags(config, "moving"), dtype=bool) if "moving" in config else None
    return Propagator(flags(config, "periodic"), numbers, parts["move"], parts.get("redraw"), moves)
