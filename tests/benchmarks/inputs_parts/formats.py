"""Five alanines with CHARMM36 in every format that a campaign takes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openmm as mm
from openmm import app
from places import ROOT
from systems_parts.archives import Archives

HERE = Path(__file__).resolve().parents[1]
PEER_PYTHON = Path(os.environ.get("PEERS", ROOT / ".venv-peers")).absolute() / "bin" / "python"
GIVEN = {
    "ala5.psf": "examples/charmm/ala5_autopsf.psf",
    "ala5.pdb": "examples/charmm/ala5_autopsf.pdb",
    "ala5.prm": "examples/charmm/toppar/par_all36_prot.prm",
}
"""ParmEd's own files, by the names that they have here; all others are made of them."""
ENDS = (f"{43:8}{48:8}{45:8}{44:8}", f"{43:8}{48:8}{44:8}{45:8}")
"""The improper of the carboxylate: a force field's file cannot tell its two oxygens, of one type,
apart, and takes them in the order of the file."""
CVS = {
    "bend": {
        "kind": "angle",
        "atoms": ["resid 2 and name N", "resid 2 and name CA", "resid 2 and name C"],
    }
}
"""A coordinate that relaxes within a picosecond, so that a short campaign knows its error; slow
ones do not matter where a molecule is compared with itself."""
FACTORY = '''"""The molecule of a psf, as somebody makes it with OpenMM."""

from types import SimpleNamespace

from openmm import app


def molecule(psf, pdb, parameters):
    made = app.CharmmPsfFile(psf)
    system = made.createSystem(app.CharmmParameterSet(parameters), constraints=None)
    return SimpleNamespace(
        topology=made.topology, system=system, positions=app.PDBFile(pdb).positions
    )
'''


@dataclass(frozen=True)
class Format:
    """A way to give the molecule: its ``system:`` section without what all of them have."""

    name: str
    system: Mapping[str, Any]

    def section(self, **more: Any) -> dict[str, Any]:
        """The whole ``system:`` section."""
        made = "system_xml" in self.system or "factory" in self.system
        flexible = {} if made else {"constraints": "None", "nonbonded": "NoCutoff"}
        base = {"kind": "openmm", "temperature": "300 K", "platform": "Reference"}
        return {**base, **flexible, **self.system, **more}

    def campaign(self, evaluations: int) -> dict[str, Any]:
        """A short campaign along an angle of the middle residue, hot enough to forget its start."""
        return {
            "system": self.section(temperature="500 K", timestep="1 fs"),
            "cvs": CVS,
            "states": {"wide": {"bend": ["112 deg", "180 deg"]}},
            "strategy": {"kind": "local", "local": {"kind": "langevin", "steps": 100}},
            "replicas": 8,
            "converge": {"hidden": None},
            "budget": {"energy_evaluations": evaluations},
        }


def _topology(topology: str, coordinates: str, **more: Any) -> dict[str, Any]:
    return {"topology": topology, "coordinates": coordinates, **more}


CHARMM = {"parameters": ["ala5.prm"]}
FORMATS = (
    Format("psf and pdb", _topology("ala5.psf", "ala5.pdb", **CHARMM)),
    Format("psf and crd", _topology("ala5.psf", "ala5.crd", **CHARMM)),
    Format("prmtop and rst7 (CHAMBER)", _topology("ala5.prmtop", "ala5.rst7")),
    Format("prmtop and inpcrd (CHAMBER)", _topology("ala5.prmtop", "ala5.inpcrd")),
    Format("top and gro", _topology("ala5.top", "ala5.gro")),
    Format(
        "top with include and define",
        _topology("split.top", "ala5.gro", include_dir="itp", defines=["MOLECULE"]),
    ),
    Format("pdb and force field", {"structure": "ala5.pdb", "forcefield": ["ala5.xml"]}),
    Format("mmCIF and force field", {"structure": "ala5.cif", "forcefield": ["ala5.xml"]}),
    Format("System", {"system_xml": "system.xml", "structure": "ala5.pdb"}),
    Format(
        "Python",
        {
            "factory": "ala5_factory:molecule",
            "arguments": {"psf": "ala5.psf", "pdb": "ala5.pdb", "parameters": "ala5.prm"},
        },
    ),
)
"""The first is what the others are compared with."""


def lay(folder: Path, archives: Archives) -> None:
    """Write the molecule in every format into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, member in GIVEN.items():
        (folder / name).write_text(archives.take("parmed", member).read_text())
    psf = (folder / "ala5.psf").read_text()
    assert ENDS[0] in psf
    (folder / "ala5.psf").write_text(psf.replace(*ENDS))
    subprocess.run([str(PEER_PYTHON), str(HERE / "peers" / "formats.py"), str(folder)], check=True)
    pdb = app.PDBFile(str(folder / "ala5.pdb"))
    with (folder / "ala5.cif").open("w") as out:
        app.PDBxFile.writeFile(pdb.topology, pdb.positions, out, keepIds=True)
    made = app.CharmmPsfFile(str(folder / "ala5.psf"))
    system = made.createSystem(app.CharmmParameterSet(str(folder / "ala5.prm")), constraints=None)
    (folder / "system.xml").write_text(mm.XmlSerializer.serialize(system))
    (folder / "ala5_factory.py").write_text(FACTORY)
    split(folder)


def split(folder: Path) -> None:
    """The Gromacs topology in two files, as Gromacs' own are: what is included lies elsewhere."""
    head, mark, tail = (folder / "ala5.top").read_text().partition("[ moleculetype ]")
    (folder / "itp").mkdir(exist_ok=True)
    (folder / "itp" / "types.itp").write_text(head)
    (folder / "split.top").write_text(
        f'#include "types.itp"\n#ifdef MOLECULE\n{mark}{tail}#endif\n'
    )
