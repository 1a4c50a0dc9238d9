"""What a campaign raises that began and could not go on."""

from __future__ import annotations

import traceback
from pathlib import Path

from msgen.orchestrator.causes import MachineError, remedy, short
from msgen.orchestrator.run_directory.disk_errors import trouble


class RunError(RuntimeError):
    """A campaign failed while it ran; the text is what the command line prints.

    Attributes
    ----------
    log : Path or None
        The file that keeps the traceback; None where the disk itself was the cause.
    """

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log

    @classmethod
    def of(cls, error: Exception, run_dir: Path) -> RunError:
        """`error`, which is being handled, told in a line or two; its traceback goes to the log."""
        disk = trouble(error, run_dir)
        if disk is not None:
            return cls(f"msgen failed: {disk}")
        trace = "".join(traceback.format_exception(error))
        log = _keep(trace, run_dir / "logs" / "error.log")
        helps = remedy(error)
        lines = [f"msgen failed: {short(error)}"]
        lines += [] if helps is None else [f"{helps}."]
        if not isinstance(error, MachineError):
            lines.append(f"The traceback is in {log}" if log else trace)
        return cls("\n".join(lines), log)


def _keep(trace: str, log: Path) -> Path | None:
    """Append a traceback to the run's log; None where that is not possible."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(trace + "\n")
    except OSError:
        return None
    return log
