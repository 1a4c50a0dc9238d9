"""``msgen doctor``: try what a campaign will need, and say what to do where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgen.orchestrator.commands.doctor import machine
from msgen.orchestrator.commands.doctor.base import Finding


def examine(folder: Path, address: str, ray: bool) -> Iterator[Finding]:
    """What was tried, one after another.

    Parameters
    ----------
    folder : Path
        Below which runs are written.
    address : str
        Of Ray, as ``msgen run`` takes it.
    ray : bool
        Whether Ray is tried, which takes some seconds.
    """
    found = list(machine.versions())
    yield from found
    yield from machine.cores()
    yield from machine.memory()
    yield from machine.disk(folder)
    if any(one.verdict == "wrong" for one in found):
        return  # what computes needs its packages
    from msgen.orchestrator.commands.doctor import engines

    yield from engines.platforms(engines.Probe.waters())
    yield from engines.graphics()
    if ray:
        yield from engines.workers(address)
