"""The Trainer: fits the generative model on what the replicas saw."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import FIT_DEVICE, Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import coordinates
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.proposals import log_masses, one_hot
from msgen.actors.kernels.base import Mask
from msgen.actors.orders.fit import FitPayload, FitRecord, FitWindowsPayload
from msgen.actors.roles.sampler import broad_of
from msgen.models import build, compare_on_held_out, load
from msgen.models.base import FitReport, GenerativeModel, ModelState, Space, Spec
from msgen.systems.base import Array

HELD_OUT = 0.2
"""Share of the data on which a new version must beat the old."""


def fit(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a new version, and keep it only if it is better on data neither has been fitted to.

    Payload and record: `FitPayload`, `FitRecord`. The order's model version is the one in use.
    """
    p = order.read(FitPayload)
    context_of = one_hot(p.stratum, p.n_strata)
    data = _Data(p.data, p.weights, context_of, p.periodic.tolist(), unit=p.unit)
    made = _refit(context, order, rng, data, goes_on=p.goes_on)
    log_mass, error = None, None
    if made.accepted and p.partition and p.broad and p.epsilon is not None:
        broad = broad_of(p.broad)
        log_mass, error = log_masses(made.model, broad, p.epsilon, p.partition, rng, p.mass_draws)
    return made.segment(order, log_mass, error)


def fit_windows(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit p(x|λ) for the windows of an umbrella campaign; kept only if it is better.

    Payload and record: `FitWindowsPayload`, `FitRecord`.
    """
    p = order.read(FitWindowsPayload)
    periodic = list(coordinates(context).periodic)
    about_periodic = p.label_periodic.tolist()
    data = _Data(p.data, p.weights, p.label, periodic, about_periodic, repeats=p.repeats)
    return _refit(context, order, rng, data).segment(order)


def on_device(spec: Spec) -> Spec:
    """The model asked for; on the device that this worker was given, if `device` is left to it."""
    if spec.get("device") != "auto":
        return spec
    return {**spec, "device": os.environ.get(FIT_DEVICE, "cpu")}


@dataclass(frozen=True)
class _Data:
    """What a fit sees.

    Attributes
    ----------
    x, weights, about : Array, shapes (n, d), (n,) and (n, c) or None
        Samples, and what the model is conditional on.
    periodic : list of bool
    about_periodic : list of bool or None
        None: linear.
    repeats : int
        How often all samples are there, each time with an `about` of its own.
    unit : int array, shape (n,), or None
        Rows of one unit are held out together.
    """

    x: Array
    weights: Array
    about: Array | None
    periodic: list[bool]
    about_periodic: list[bool] | None = None
    repeats: int = 1
    unit: NDArray[np.int64] | None = None

    @property
    def context_periodic(self) -> list[bool]:
        if self.about_periodic is not None:
            return self.about_periodic
        return [False] * (0 if self.about is None else self.about.shape[1])

    def split(self, rng: np.random.Generator) -> tuple[_Data, Mask]:
        """The same rows, perhaps in another order, and which of them are held out."""
        # a configuration that is there several times is either held out or not
        held = np.tile(rng.random(len(self.x) // self.repeats) < HELD_OUT, self.repeats)
        if self.unit is None:
            return self, held
        if len(known := np.unique(self.unit)) > 1:
            number = max(1, round(HELD_OUT * len(known)))
            held = np.isin(self.unit, rng.permutation(known)[:number])
        # unit after unit: what a fit itself holds out are stretches of rows
        rows = np.argsort(self.unit, kind="stable")
        return self.take(rows), held[rows]

    def take(self, rows: NDArray[np.int64] | Mask) -> _Data:
        """Some of the rows."""
        about = None if self.about is None else self.about[rows]
        return replace(self, x=self.x[rows], weights=self.weights[rows], about=about)


@dataclass(frozen=True)
class _Fitted:
    """A new version.

    Attributes
    ----------
    model : GenerativeModel
        Frozen where it is accepted.
    state : ModelState or None
        None unless it is accepted.
    report : FitReport
    gain : float
        Against the version in use, nats a sample; NaN where there is none.
    """

    model: GenerativeModel
    state: ModelState | None
    report: FitReport
    gain: float

    @property
    def accepted(self) -> bool:
        return self.state is not None

    def segment(
        self, order: WorkOrder, log_mass: Array | None = None, error: Array | None = None
    ) -> Segment:
        """What goes back."""
        return Segment(
            order.key,
            carry=encode(FitRecord(self.accepted, self.state, log_mass, error)),
            counts={
                "train_loss": self.report.train_loss,
                "held_out_loss": self.report.held_out_loss,
                "epochs": float(self.report.epochs),
                "accepted": float(self.accepted),
                "gain": self.gain,
            },
            model_version=order.model_version,
        )


def _refit(
    context: WorkerContext,
    order: WorkOrder,
    rng: np.random.Generator,
    data: _Data,
    *,
    goes_on: bool = False,
) -> _Fitted:
    """Fit a new version and hold it against the one in use."""
    n_context = len(data.context_periodic)
    data, held = data.split(rng)
    space = Space(tuple(data.periodic), tuple(data.context_periodic))
    new = build(on_device(context.setup["model"]), space)
    if goes_on and order.model_version >= 0:
        # a model of its own: the one in the context is frozen
        new = load(context.models.state(order.model_version))
    seen, kept = data.take(~held), data.take(held)
    report = new.fit(
        seen.x, seed=int(rng.integers(2**31)), weights=seen.weights, context=seen.about
    )
    old = _previous(context, order, n_context)
    better, gain = True, float("nan")
    if old is not None:
        verdict = compare_on_held_out(new, old, kept.x, kept.weights, context=kept.about)
        better, gain = verdict.better, verdict.margin
    if not better:
        return _Fitted(new, None, report, gain)
    state = new.state()
    return _Fitted(load(state), state, report, gain)


def _previous(context: WorkerContext, order: WorkOrder, n_context: int) -> GenerativeModel | None:
    """The version in use, unless it was made for another set of strata."""
    if order.model_version < 0:
        return None
    known = context.models.state(order.model_version).config.get("context_periodic", [])
    if not isinstance(known, list) or len(known) != n_context:
        return None
    return context.models[order.model_version]
