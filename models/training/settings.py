"""How a network is fitted: what a campaign's `model:` section says of it, and all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

Auto = int | Literal["auto"]
"""A number that a model finds by itself if it is not given."""

AUTO_UPDATES = 600
"""Gradient steps a flow gets by itself."""

MAX_AUTO_EPOCHS = 200
MAX_HELD_OUT = 4096


class Fit(TypedDict):
    """What a section says of the fit of a network; see `Training`."""

    learning_rate: float
    batch: int
    epochs: Auto
    patience: Auto
    ema: float
    device: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a density is fitted.

    Attributes
    ----------
    learning_rate : float
        Peak rate; warmed up over the first 5 % of the updates, then a cosine down to 1 % of it.
    batch : int
        Samples per update.
    epochs : int or None
        Most passes over the data; None: as many as make `updates` updates.
    patience : int or None
        Epochs without a better held-out loss before stopping; None: a quarter of `epochs`.
    ema : float
        Decay of the exponential moving average of the weights, in [0, 1); 0 switches it off.
    held_out : float
        Fraction of the data that is never trained on.
    stretches : int
        In how many stretches of rows the held-out ones are chosen from; 0: row by row. Rows of one
        walker resemble each other, and say nothing of what others would see.
    clip : float
        Bound on the norm of the gradient.
    optimizer : {'adam', 'radam'}
    device : str
        'cpu', 'cuda' or 'auto' (cuda where there is one). Repeats are bit-exact on the cpu only.
    updates : int
        Gradient steps that `epochs=None` aims at.
    most_epochs : int
        Bound on what `epochs=None` may come to, for few data.
    measured : int
        Most samples of either side that a loss is reported on.
    """

    learning_rate: float
    batch: int
    epochs: int | None = None
    patience: int | None = None
    ema: float
    held_out: float = 0.1
    stretches: int = 0
    clip: float = 5.0
    optimizer: Literal["adam", "radam"] = "adam"
    device: str = "cpu"
    updates: int = AUTO_UPDATES
    most_epochs: int = MAX_AUTO_EPOCHS
    measured: int = MAX_HELD_OUT

    @classmethod
    def of(cls, **fit: Unpack[Fit]) -> Training:
        """What a section says of the fit; the rest is up to the kind of model."""
        epochs, patience = fit["epochs"], fit["patience"]
        return cls(
            learning_rate=fit["learning_rate"],
            batch=fit["batch"],
            epochs=None if epochs == "auto" else epochs,
            patience=None if patience == "auto" else patience,
            ema=fit["ema"],
            device=fit["device"],
        )
