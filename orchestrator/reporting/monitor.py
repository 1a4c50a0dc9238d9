"""The monitor: told of every committed round, it writes the results and shows how things stand."""

from __future__ import annotations

import time
from pathlib import Path

from msgen.orchestrator.base import Reporter, RoundInfo, Status
from msgen.orchestrator.reporting.history import HistoryPoint, append_history, rewind_history
from msgen.orchestrator.reporting.html_report import write_report
from msgen.orchestrator.reporting.plots import drawable, png, surface_figure
from msgen.orchestrator.reporting.results import Result, ResultStatus, RunHeader, write_result
from msgen.orchestrator.reporting.tables import write_tables
from msgen.orchestrator.reporting.tensorboard import TensorBoardLog

_IMAGE_DPI = 70.0


class Monitor:
    """A `Reporter` that keeps ``results/`` and ``tensorboard/`` of one run directory up to date.

    `results/free_energy.json`, the history and TensorBoard's scalars and histograms follow every
    round. Figures are dear (0.2 to 0.5 s): they are drawn when the time spent on them so far is
    below `image_share` of the time the monitor has lived, and at the end.

    Parameters
    ----------
    run_dir : Path
    header : RunHeader
    next_round : int
        The first round that will be reported: 0, or where a resumed run goes on. What files say
        about that round or later ones is void and is dropped.
    target_kT : float or None
        ``converge.state_error``, drawn into the convergence plot.
    show : Reporter or None
        Is told the same, last: usually a `msgen.orchestrator.reporting.progress.Progress`.
    tensorboard : bool
        Whether to keep ``tensorboard/`` at all.
    image_share : float
        See above.
    """

    def __init__(
        self,
        run_dir: Path,
        header: RunHeader,
        *,
        next_round: int = 0,
        target_kT: float | None = None,
        show: Reporter | None = None,
        tensorboard: bool = True,
        image_share: float = 0.01,
    ) -> None:
        self._run_dir = Path(run_dir)
        self._header = header
        self._target = target_kT
        self._show = show
        self._image_share = image_share
        self._history = rewind_history(self._run_dir, next_round)
        self._board: TensorBoardLog | None = None
        if tensorboard:
            self._board = TensorBoardLog(
                self._run_dir / "tensorboard", tuple(c.name for c in header.sampled), next_round
            )
        self._begun = time.monotonic()
        self._drawing_s = 0.0
        self._last: RoundInfo | None = None

    @property
    def history(self) -> tuple[HistoryPoint, ...]:
        """All rounds so far, those of earlier processes included."""
        return tuple(self._history)

    def round(self, info: RoundInfo) -> None:
        """Write the result as it stands after `info`."""
        self._last = info
        point = HistoryPoint.of(info)
        self._history.append(point)
        append_history(self._run_dir, point)
        unmet = "; ".join(info.unmet)
        result = self._result(info, "running", f"unmet: {unmet}" if unmet else "in progress")
        write_result(self._run_dir, result)
        if info.estimate.dynamics is not None:
            from msgen.orchestrator.reporting.dynamics_result import write_dynamics  # few have it

            title = f"{self._header.campaign}: generated beside gathered"
            write_dynamics(self._run_dir / "results", info.estimate.dynamics, title)
        if info.estimate.paths is not None:
            from msgen.orchestrator.reporting.paths_result import write_paths  # few have it

            write_paths(self._run_dir / "results", info.estimate.paths)
        if self._board is not None:
            self._board.round(info, self._image(result))
        if self._show is not None:
            self._show.round(info)

    def close(self, status: Status, reason: str) -> None:
        """Write the final result, its tables and figures and the report."""
        try:
            self._write_final(status, reason)
        except OSError:
            if status != "failed":
                raise  # it is told again, as failed
        if self._show is not None:
            self._show.close(status, reason)

    def _write_final(self, status: Status, reason: str) -> None:
        if self._board is not None:
            self._board.close()
        if self._last is not None:
            final: ResultStatus = (
                "running" if status == "interrupted" or status == "renewed" else status
            )
            result = self._result(self._last, final, reason)
            write_result(self._run_dir, result)
            write_tables(self._run_dir, result)
            write_report(self._run_dir, self._target)

    def _image(self, result: Result) -> bytes | None:
        """The surface as PNG, if there is one and its time has come."""
        lived = time.monotonic() - self._begun
        if not drawable(result.estimate) or self._drawing_s > self._image_share * lived:
            return None
        started = time.monotonic()
        image = png(surface_figure(result), _IMAGE_DPI)
        self._drawing_s += time.monotonic() - started
        return image

    def _result(self, info: RoundInfo, status: ResultStatus, reason: str) -> Result:
        return Result(self._header, status, reason, info.estimate, info.cost)
