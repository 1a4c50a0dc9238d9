"""What a campaign of learned dynamics says of itself between judgements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msgen.orchestrator.strategies.dynamics.state import DynamicsState


def open_in_words(state: DynamicsState) -> str:
    """What is to be said of the model, which is never exact."""
    if not state.verdicts:
        return "no model was judged yet"
    last = state.verdicts[-1]
    if not np.isfinite(last.difference):
        return "no generated trajectory is whole, so that nothing can be told of the model"
    error = f" ± {last.stderr:.2g}" if np.isfinite(last.stderr) else ""
    off = f"the model's F is off by {last.difference:.3g}{error} kT"
    cycles = f"{len(state.verdicts)} cycles"
    return {
        "produce": f"{off} and improves",
        "exhausted": f"{off} and improved still in the last of {cycles}",
        "done": f"{off}, and no longer improves within its error after {cycles}",
    }[state.phase]


def readings(
    state: DynamicsState, names: Sequence[str], steps: int | None = None
) -> dict[str, float]:
    """Numbers of the last verdict, by what they are.

    Parameters
    ----------
    state : DynamicsState
    names : sequence of str
        Of the states.
    steps : int or None
        Of each roll-out, where the model is one of steps.
    """
    if not state.verdicts:
        return {"cycles": 0.0, "lost": float(state.lost)}
    last = state.verdicts[-1]
    divergences = zip(names, last.regions.tolist(), strict=True)
    return {
        "cycles": float(len(state.verdicts)),
        "gathered_frames": float(last.frames),
        "lost": float(state.lost),
        "broken": last.broken,
        "difference_kT": last.difference,
        "difference_stderr_kT": last.stderr,
        **_redrawn(state, steps),
        **_hot(state),
        **{f"divergence_after_{name}": value for name, value in divergences},
    }


def _redrawn(state: DynamicsState, steps: int | None) -> dict[str, float]:
    """Share of steps that failed, of all that were drawn."""
    if steps is None or not state.made:
        return {}
    failed = state.made[0].redrawn
    # a path that was given up has failed more often than it has stepped
    taken = len(state.made[0].paths) * steps
    return {"redrawn": failed / max(failed + taken, 1)}


def _hot(state: DynamicsState) -> dict[str, float]:
    """Frames that the model learns and nothing else counts."""
    frames = [one.hot.shape[0] * one.hot.shape[1] for one in state.gathered if one.hot is not None]
    return {"hot_frames": float(sum(frames))} if frames else {}
