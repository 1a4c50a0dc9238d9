"""Where files lie that a Gromacs topology includes; imports no OpenMM, as inputs are told first."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_DEFAULT = Path("/usr/local/gromacs/share/gromacs/top")


def gromacs_folder(include_dir: str, base_dir: Path) -> Path:
    """The folder that a campaign names, or that of the Gromacs which is installed here.

    Parameters
    ----------
    include_dir : str
        As the campaign has it; '' where it says nothing.
    base_dir : Path
        The campaign file's folder.
    """
    if include_dir:
        return (base_dir / include_dir).expanduser()
    if data := os.environ.get("GMXDATA"):
        return Path(data) / "top"
    if program := shutil.which("gmx"):
        return Path(program).resolve().parents[1] / "share" / "gromacs" / "top"
    return _DEFAULT
