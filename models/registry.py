"""From the `model:` section of a campaign to a model, and from a frozen state back to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgen.models import kde
from msgen.models.base import GenerativeModel, ModelState
from msgen.models.continuous import cnf, equivariant_flow, flow_matching
from msgen.models.coupling import copula_flow, realnvp, spline_flow
from msgen.models.coupling.flow import SCHEMA_VERSION
from msgen.models.defensive_mixture import Broad, Defended
from msgen.models.kinds import Kind, Space
from msgen.models.score import model as score
from msgen.models.tabulated import Tabulated
from msgen.systems.errors import SpecError

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        spline_flow.KIND,
        realnvp.KIND,
        copula_flow.KIND,
        cnf.KIND,
        flow_matching.KIND,
        equivariant_flow.KIND,
        kde.KIND,
        score.KIND,
    )
}
"""Every kind a campaign can ask for; a new one is one entry here."""


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
        ``kind``, one of `KINDS` (spline_flow by default), and that kind's settings. None means the
        default.
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
    name = spec.get("kind") or "spline_flow"
    if name not in KINDS:
        raise SpecError(("model", "kind"), name, "is no model", f"Use one of {', '.join(KINDS)}")
    kind, given = KINDS[name], {}
    for key, value in spec.items():
        if key == "kind":
            continue
        if key not in kind.settings:
            allowed = ", ".join(kind.settings)
            raise SpecError(
                ("model", key), value, f"{name} has no such setting", f"It has {allowed}"
            )
        if value is not None:
            given[key] = kind.settings[key].checked(key, value)
    if len(periodic) != dim:
        raise ValueError(f"periodic has {len(periodic)} entries for {dim} variables")
    about = tuple(bool(p) for p in (context_periodic or [False] * n_context))
    if len(about) != n_context:
        raise ValueError(f"context_periodic has {len(about)} entries for {n_context} columns")
    space = Space(tuple(bool(p) for p in periodic), about)
    if about and not kind.context:
        others = _listed([k.name for k in KINDS.values() if k.context])
        raise SpecError(("model", "kind"), name, "takes no context", f"Use {others}")
    if any(space.periodic) and not kind.angles:
        others = _listed([k.name for k in KINDS.values() if k.angles])
        raise SpecError(
            ("model", "kind"), name, "cannot model a periodic variable", f"Use {others}"
        )
    return kind.make(space, given)


def load(state: ModelState) -> GenerativeModel:
    """The model a state was taken from, with the same log_prob bit for bit.

    Raises
    ------
    ValueError
        If the state is of a newer schema or of no kind known here.
    """
    version, name = state.config.get("schema_version"), str(state.config.get("kind"))
    if version != SCHEMA_VERSION:
        raise ValueError(f"model state of schema {version}; this msgen reads {SCHEMA_VERSION}")
    # densities that no campaign asks for by name
    others: Mapping[str, Callable[[ModelState], GenerativeModel]] = {
        "defended": _defended,
        "broad": Broad.from_state,
        "tabulated": Tabulated.from_state,
    }
    if name in KINDS:
        return KINDS[name].restore(state)
    if name in others:
        return others[name](state)
    raise ValueError(f"model state of unknown kind {name!r}")


def _defended(state: ModelState) -> Defended:
    broad = load(_part(state, "broad"))
    assert isinstance(broad, Broad)
    return Defended(load(_part(state, "model")), broad, state.config["eps"])


def _part(state: ModelState, name: str) -> ModelState:
    prefix = f"{name}."
    arrays = {k[len(prefix) :]: v for k, v in state.arrays.items() if k.startswith(prefix)}
    return ModelState(state.config[name], arrays)


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]])
