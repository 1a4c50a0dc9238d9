"""From the `model:` section of a campaign to a model, and from a frozen state back to one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgen.models.base import GenerativeModel, ModelState
from msgen.models.fitting import Training
from msgen.models.flow import SCHEMA_VERSION, FlowConfig
from msgen.models.kde import KdeConfig, KernelDensity
from msgen.models.mixture import Broad, Defended
from msgen.models.noise import KINDS as NOISES
from msgen.models.realnvp import RealNVP
from msgen.models.score import SCORE_TRAINING, STEPS, ScoreConfig, ScoreModel
from msgen.models.spline_flow import SplineFlow
from msgen.models.tabulated import Tabulated
from msgen.systems.errors import SpecError

_TRAINING = ("learning_rate", "batch", "epochs", "patience", "ema", "device")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "spline_flow": ("transforms", "hidden", "bins", *_TRAINING),
    "realnvp": ("transforms", "hidden", *_TRAINING),
    "kde": ("kernels",),
    "score": ("noise", "layers", "width", "sampler", "steps", "churn", "unconditional", *_TRAINING),
}
_CHOICES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "device": (("cpu", "cuda", "auto"), "device"),
    "noise": (NOISES, "noise process"),
    "sampler": (tuple(STEPS), "sampler"),
}
_RANGES: Mapping[str, tuple[Callable[[float], bool], str, str]] = {
    "learning_rate": (lambda v: 0 < v < 1, "lie between 0 and 1", "5.0e-3"),
    "ema": (lambda v: 0 <= v < 1, "lie in [0, 1)", "0.98, or 0 for none"),
    "unconditional": (lambda v: 0 <= v < 1, "lie in [0, 1)", "0.1, or 0 for none"),
    "churn": (lambda v: 0 <= v < math.inf, "be a number of at least 0", "40, or 0 for none"),
}


def build(
    spec: Mapping[str, Any],
    dim: int,
    periodic: Sequence[bool],
    n_context: int = 0,
    context_periodic: Sequence[bool] | None = None,
) -> GenerativeModel:
    """A model as the campaign's `model:` section asks for it, not yet fitted.

    Parameters
    ----------
    spec : Mapping
        ``kind``: spline_flow (default), realnvp, kde or score. Flows: transforms, hidden, bins (the
        spline_flow only), learning_rate, batch, epochs, patience, ema, device. kde: kernels.
        score: noise, layers, width, sampler, steps, churn, unconditional, and how it is fitted, as
        a flow. None means the default.
    dim : int
    periodic : sequence of bool, length `dim`
        Periodic variables live in [−π, π).
    n_context : int
        Columns of the context the density is conditioned on.
    context_periodic : sequence of bool, length `n_context`, or None
        Which of them are angles; None for none.

    Raises
    ------
    SpecError
        For an unknown kind or key, or a value out of range.
    """
    kind = spec.get("kind") or "spline_flow"
    if kind not in _KEYS:
        raise SpecError(("model", "kind"), kind, "is no model", f"Use one of {', '.join(_KEYS)}")
    for key in spec:
        if key != "kind" and key not in _KEYS[kind]:
            allowed = ", ".join(_KEYS[kind])
            raise SpecError(
                ("model", key), spec[key], f"{kind} has no such setting", f"It has {allowed}"
            )
    given = {k: _checked(k, v) for k, v in spec.items() if k != "kind" and v is not None}
    if len(periodic) != dim:
        raise ValueError(f"periodic has {len(periodic)} entries for {dim} variables")
    angles = tuple(bool(p) for p in periodic)
    about = tuple(bool(p) for p in (context_periodic or [False] * n_context))
    if len(about) != n_context:
        raise ValueError(f"context_periodic has {len(about)} entries for {n_context} columns")
    if kind == "kde":
        if n_context:
            raise SpecError(
                ("model", "kind"), kind, "takes no context", "Use spline_flow, realnvp or score"
            )
        return KernelDensity(KdeConfig(angles, **given))
    if kind == "realnvp" and any(angles):
        raise SpecError(
            ("model", "kind"), kind, "cannot model a periodic variable", "Use spline_flow or kde"
        )
    fitted_by = {k: given.pop(k) for k in _TRAINING if k in given}
    if kind == "score":
        return _score(
            ScoreConfig(dim, angles, about, training=replace(SCORE_TRAINING, **fitted_by), **given)
        )
    training = Training(**fitted_by)
    # measured: two spline layers fit two variables as well as four, in half the time
    given.setdefault("transforms", 2 if kind == "spline_flow" and dim <= 2 else 4)
    config = FlowConfig(
        kind=kind, dim=dim, periodic=angles, context_periodic=about, training=training, **given
    )
    return RealNVP(config) if kind == "realnvp" else SplineFlow(config)


def load(state: ModelState) -> GenerativeModel:
    """The model a state was taken from, with the same log_prob bit for bit.

    Raises
    ------
    ValueError
        If the state is of a newer schema or of no kind known here.
    """
    version, kind = state.config.get("schema_version"), str(state.config.get("kind"))
    if version != SCHEMA_VERSION:
        raise ValueError(f"model state of schema {version}; this msgen reads {SCHEMA_VERSION}")
    if kind == "defended":
        broad = load(_part(state, "broad"))
        assert isinstance(broad, Broad)
        return Defended(load(_part(state, "model")), broad, state.config["eps"])
    loaders: Mapping[str, Callable[[ModelState], GenerativeModel]] = {
        "spline_flow": SplineFlow.from_state,
        "realnvp": RealNVP.from_state,
        "kde": KernelDensity.from_state,
        "score": ScoreModel.from_state,
        "broad": Broad.from_state,
        "tabulated": Tabulated.from_state,
    }
    if kind not in loaders:
        raise ValueError(f"model state of unknown kind {kind!r}")
    return loaders[kind](state)


def _score(config: ScoreConfig) -> ScoreModel:
    if config.noise == "vp" and any(config.periodic):
        raise SpecError(
            ("model", "noise"),
            config.noise,
            "cannot noise a periodic variable: an angle has no scale to shrink",
            "Use edm or ve",
        )
    if config.unconditional and not config.context_periodic:
        raise SpecError(
            ("model", "unconditional"),
            config.unconditional,
            "has no meaning for a model without a context",
            "Leave it out",
        )
    if config.churn and config.sampler != "heun":
        raise SpecError(
            ("model", "churn"),
            config.churn,
            f"is noise that the sampler {config.sampler} does not add back",
            "Use sampler: heun",
        )
    return ScoreModel(config)


def _part(state: ModelState, name: str) -> ModelState:
    prefix = f"{name}."
    arrays = {k[len(prefix) :]: v for k, v in state.arrays.items() if k.startswith(prefix)}
    return ModelState(state.config[name], arrays)


def _checked(key: str, value: Any) -> Any:
    def refuse(problem: str, remedy: str) -> SpecError:
        return SpecError(("model", key), value, problem, remedy)

    if key in _CHOICES:
        choices, what = _CHOICES[key]
        if value not in choices:
            raise refuse(f"is no {what}", f"Use one of {', '.join(choices)}")
        return value
    if key == "hidden":
        widths = tuple(value) if isinstance(value, list | tuple) else ()
        if not widths or not all(_whole(w) and w > 0 for w in widths):
            raise refuse("must be a list of layer widths", "Write for example [64, 64]")
        return widths
    if key in _RANGES:
        inside, allowed, example = _RANGES[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not inside(value):
            raise refuse(f"must {allowed}", f"Write for example {example}")
        return float(value)
    least = 2 if key in ("bins", "layers") else 1
    if not _whole(value) or value < least:
        raise refuse(f"must be a whole number of at least {least}", f"Write {least} or more")
    return int(value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
