"""TensorBoard event files, written without torch or TensorFlow.

Scalars and histograms every round, the free energy as an image now and then; x is the round.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from msgen.orchestrator.base import Array, RoundInfo

PROMISED_TAGS: Mapping[str, tuple[str, ...]] = {
    "scalars": (
        "free_energy/{state}",
        "stderr/{state}",
        "acceptance/{move}",
        "diagnostics/ess",
        "diagnostics/r_hat",
        "diagnostics/round_trips",
        "cost/energy_evaluations",
        "cost/wall_s",
        "overhead/fraction",
        "model/loss",
        "model/version",
        "replicas",
        "budget/{limit}",
        "dynamics/{reading}",
    ),
    "histograms": ("cv/{cv}", "work/forward", "work/reverse"),
    "images": ("free_energy",),
    "tensors": ("no_error_is_known",),
}
"""Every tag by TensorBoard's own categories; {…} stands for each name that the campaign has.

A tag appears with the first round that has a value for it: an error needs samples, a loss a fit.
Where an error has no ground, its curve has a gap and the text beside it says why.
"""

MOST_WORK = 1e3
"""kT; a path above it is as good as broken, and would squeeze all others into one bucket."""

_BINS = 40


def histogram(values: NDArray[Any]) -> HistogramProto:
    """TensorBoard's histogram of what is finite in `values` (any shape, at least one finite)."""
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[np.isfinite(x)]
    counts, edges = np.histogram(x, bins=_BINS)
    # each bucket is named by its right edge; an empty first one holds the left edge of the second
    return HistogramProto(
        min=float(x.min()),
        max=float(x.max()),
        num=float(x.size),
        sum=float(x.sum()),
        sum_squares=float(x @ x),
        bucket_limit=edges.tolist(),
        bucket=[0.0, *counts.astype(float).tolist()],
    )


def scalars(info: RoundInfo) -> dict[str, float]:
    """All finite scalars of a round, by tag."""
    estimate, found = info.estimate, info.estimate.diagnostics
    out: dict[str, Any] = {}
    for name, state in estimate.states.items():
        out[f"free_energy/{name}"] = state.f_kT
        out[f"stderr/{name}"] = state.stderr_kT
    for move, rate in dict(found.get("acceptance") or {}).items():
        out[f"acceptance/{move}"] = rate
    for name, pick in (("ess", min), ("r_hat", max), ("round_trips", min)):
        value = found.get(name)
        if isinstance(value, Mapping):  # one for each CV or state: the worst counts
            value = pick(value.values()) if value else None
        out[f"diagnostics/{name}"] = value
    out["cost/energy_evaluations"] = info.cost.energy_evaluations
    out["cost/wall_s"] = info.cost.wall_s
    if info.cost.wall_s > 0:
        out["overhead/fraction"] = info.cost.overhead_s / info.cost.wall_s
    out["model/loss"] = info.model_loss
    out["model/version"] = info.model_version
    out["replicas"] = info.replicas
    out |= {f"budget/{limit}": fraction for limit, fraction in info.budget.items()}
    out |= {f"dynamics/{name}": v for name, v in dict(found.get("dynamics") or {}).items()}
    return {
        tag: float(v)
        for tag, v in out.items()
        if isinstance(v, (int, float, np.number)) and np.isfinite(v)
    }


def _works(info: RoundInfo) -> Iterator[tuple[str, NDArray[Any]]]:
    """Generalised work of this round's paths: forward from a state to a later one in the list."""
    columns = [
        {k: info.samples[f"{kind}/{k}"] for k in ("work", "source", "target")}
        for kind in sorted({name.partition("/")[0] for name in info.samples})
        if all(f"{kind}/{k}" in info.samples for k in ("work", "source", "target"))
    ]
    if columns:
        work, source, target = (
            np.concatenate([np.ravel(c[k]) for c in columns]) for k in ("work", "source", "target")
        )
        work = np.where(work < MOST_WORK, work, np.nan)
        yield "work/forward", work[source < target]
        yield "work/reverse", work[source > target]


class TensorBoardLog:
    """An event file in `folder`.

    Parameters
    ----------
    folder : Path
        Usually ``<run>/tensorboard``.
    cv_names : tuple of str
        Names of the columns of `RoundInfo.cvs`.
    purge_step : int
        The first round this process will write. What an earlier process logged at that step or
        later is void: readers drop it, so that a resumed run shows no round twice.
    """

    def __init__(self, folder: Path, cv_names: tuple[str, ...], purge_step: int = 0) -> None:
        self._cv_names = cv_names
        earlier = [p.name.split(".")[3] for p in folder.glob("events.out.tfevents.*")]
        resumed = bool(earlier)
        if resumed:
            # files are read in the order of their names, which begin with the second they were made
            time.sleep(min(1.0, max(0.0, int(max(earlier)) + 1 - time.time())))
        self._writer = EventFileWriter(str(folder))
        if resumed:
            self._writer.add_event(
                Event(
                    wall_time=time.time(),
                    step=purge_step,
                    session_log=SessionLog(status=SessionLog.START),
                )
            )

    def round(self, info: RoundInfo, image: bytes | None = None) -> None:
        """Log a round; `image` is a PNG of the free energy."""
        values = [Summary.Value(tag=t, simple_value=v) for t, v in scalars(info).items()]
        for tag, array in self._arrays(info):
            if np.isfinite(array).any():
                values.append(Summary.Value(tag=tag, histo=histogram(array)))
        if image is not None:
            width, height = (int.from_bytes(image[i : i + 4], "big") for i in (16, 20))  # IHDR
            values.append(
                Summary.Value(
                    tag="free_energy",
                    image=Summary.Image(
                        height=height, width=width, colorspace=4, encoded_image_string=image
                    ),
                )
            )
        if info.estimate.ungrounded:
            why = "\n".join(f"- {reason}" for reason in info.estimate.ungrounded)
            values += text_pb("no_error_is_known", why).value
        event = Event(wall_time=time.time(), step=info.round, summary=Summary(value=values))
        self._writer.add_event(event)
        self._writer.flush()

    def _arrays(self, info: RoundInfo) -> Iterator[tuple[str, NDArray[Any]]]:
        if info.cvs is not None:
            cvs: Array = np.asarray(info.cvs, dtype=np.float64).reshape(-1, len(self._cv_names))
            for name, column in zip(self._cv_names, cvs.T, strict=True):
                yield f"cv/{name}", column
        yield from _works(info)

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()
