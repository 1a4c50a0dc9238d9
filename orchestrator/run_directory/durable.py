"""A Zarr store whose values are on the disk before they replace what was there."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

from zarr.core.buffer import Buffer
from zarr.storage import LocalStore

from msgen.orchestrator.run_directory.atomic_files import write_synced, writing

PARTIAL = ".partial"
"""Suffix of values that are being written."""


class DurableStore(LocalStore):
    """Zarr's own renames first and leaves the flush to the caller.

    The last chunk of an array holds committed rows beside the new ones: were it renamed before it
    is flushed, a power failure could leave it empty.
    """

    async def _set(self, key: str, value: Buffer, exclusive: bool = False) -> None:
        path = self.root / key
        if exclusive and path.exists():
            raise FileExistsError(path)
        await asyncio.to_thread(_put, path, value.as_buffer_like())


def _put(path: Path, data: bytes | bytearray | memoryview) -> None:
    aside = path.with_name(f"{path.name}.{threading.get_ident()}{PARTIAL}")
    with writing(path, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_synced(aside, data)
            os.replace(aside, path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
