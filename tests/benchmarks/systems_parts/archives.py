"""Archives of other packages, from which single files are taken; nothing of them is imported."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

from places import ROOT

HOME = ROOT / os.environ.get("FOREIGN", ".venv-systems")
"""Where the Makefile has fetched them to."""


class Archives:
    """Files of source distributions and wheels.

    Parameters
    ----------
    home : Path
        Its ``archives`` holds what pip has fetched; single files are kept in its ``files``.
    """

    def __init__(self, home: Path = HOME) -> None:
        self._archives, self._files = home / "archives", home / "files"

    def take(self, package: str, member: str) -> Path:
        """A file of a package, by its path below the package's top folder.

        Raises
        ------
        FileNotFoundError
            If the archive, or the file in it, is not there.
        """
        path = self._files / package / member
        if not path.exists():
            data = self._read(self._archive(package), member)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return path

    def _archive(self, package: str) -> Path:
        found = sorted(self._archives.glob(f"{package}-*"))
        if not found:
            raise FileNotFoundError(f"no archive of {package} in {self._archives}: use make bench")
        return found[-1]

    @staticmethod
    def _read(archive: Path, member: str) -> bytes:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                if member not in wheel.namelist():
                    raise FileNotFoundError(f"{archive.name} holds no {member}")
                return wheel.read(member)
        with tarfile.open(archive) as tar:
            for one in tar:
                if one.isfile() and one.name.partition("/")[2] == member:
                    data = tar.extractfile(one)
                    assert data is not None
                    return data.read()
        raise FileNotFoundError(f"{archive.name} holds no {member}")
