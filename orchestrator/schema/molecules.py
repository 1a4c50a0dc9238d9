"""The `system:` section of molecules through OpenMM: the files that they come in."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from msgen.orchestrator.schema.cvs_of_atoms import Atoms
from msgen.orchestrator.schema.quantities import (
    ConcentrationOrZero,
    Length,
    Mass,
    Pressure,
    Rate,
    Section,
    Stiffness,
    Temperature,
    Time,
    problem,
)
from msgen.orchestrator.schema.system_section import MolecularSection
from msgen.systems.openmm.file_names import (
    AMBER,
    CHARMM,
    GROMACS,
    TOPOLOGIES,
)

SOURCES = ("forcefield", "topology", "system_xml", "factory")
"""Keys that forces come from; a section has exactly one."""
PARTNER = {"forcefield": "structure", "topology": "coordinates", "system_xml": "structure"}
"""What each of them goes with."""
OF_ONE = {"parameters": CHARMM, "include_dir": GROMACS, "defines": GROMACS}
"""Keys that belong to topologies of one program."""


def _sides(value: object) -> object:
    """One length stands for a cube."""
    return value if isinstance(value, list | tuple) else [value] * 3


Box = Annotated[
    list[Length],
    Field(min_length=3, max_length=3),
    BeforeValidator(_sides),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3},
            ],
            "examples": ["3 nm", ["3 nm", "3 nm", "4 nm"]],
        }
    ),
]


class Solvent(Section):
    """Water and ions that are put around the molecule of a structure file."""

    water: Literal["tip3p", "spce", "tip4pew", "tip5p"] = "tip3p"
    """Its sites and their places; its parameters come from a file in `forcefield`."""
    padding: Length | None = None
    """Least distance between copies of the molecule; without it the box of `box`, or the file's."""
    shape: Literal["cube", "dodecahedron", "octahedron"] = "cube"
    """Of the box that `padding` asks for."""
    ions: ConcentrationOrZero = 0.0
    """Of ion pairs, beyond those that neutralise the molecule."""
    positive: Literal["Cs+", "K+", "Li+", "Na+", "Rb+"] = "Na+"
    negative: Literal["Cl-", "Br-", "F-", "I-"] = "Cl-"

    @model_validator(mode="after")
    def _shape_of_padding(self) -> Solvent:
        if self.padding is None and self.shape != "cube":
            what, remedy = "is of the box that padding asks for", "Add padding: 1 nm, or remove it"
            raise problem(what, remedy, at=("shape",), value=self.shape)
        return self


class Restraint(Section):
    """A harmonic restraint of atoms to places: ½ k |x − x₀|² each, part of the energy."""

    atoms: Atoms
    """A selection, or a list of atoms."""
    stiffness: Stiffness
    """k."""
    reference: str | None = None
    """A structure file with x₀; by default the start of the campaign."""


class OpenMMSystem(MolecularSection):
    """A molecule through OpenMM: `forcefield`, `topology`, `system_xml` or `factory`."""

    kind: Literal["openmm"]
    structure: str | None = None
    """Starting structure, PDB or mmCIF; with `forcefield` or `system_xml`."""
    forcefield: list[str] = Field(default_factory=list)
    """OpenMM force-field files, shipped with OpenMM or beside the campaign file."""
    solvent: Solvent | None = None
    """Water and ions to be put around the molecule; with `forcefield`."""
    topology: str | None = None
    """Amber prmtop, Gromacs top or CHARMM psf, instead of `forcefield`; with `coordinates`."""
    coordinates: str | None = None
    """With `topology`: Amber inpcrd or rst7, Gromacs gro, CHARMM crd, PDB or mmCIF."""
    parameters: list[str] = Field(default_factory=list)
    """CHARMM parameter files (prm, rtf, str), with a psf."""
    include_dir: str | None = None
    """Where what a Gromacs topology includes is looked for; by default where Gromacs has it."""
    defines: list[str] = Field(default_factory=list)
    """What a Gromacs topology asks for by #ifdef, as NAME or NAME=VALUE."""
    system_xml: str | None = None
    """A serialised OpenMM System, instead of `forcefield`; with `structure`."""
    factory: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``package.module:function`` that returns topology, system and positions, instead of files."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Of `factory`, by name; a text that names a file beside the campaign is given as its path."""
    box: Box | None = None
    """Sides of a rectangular box, or one length of a cube, instead of that of the files."""
    restraints: list[Restraint] = Field(default_factory=list)
    """Atoms that are held where they are, as part of the energy."""
    temperature: Temperature
    """Temperature with its unit, like 320 K."""
    pressure: Pressure | None = None
    """Constant pressure with its unit, like 1 bar; by default the volume is constant."""
    timestep: Time = 0.002
    friction: Rate = 1.0
    constraints: Literal["None", "HBonds", "AllBonds", "HAngles"] = "HBonds"
    rigid_water: bool = True
    nonbonded: Literal["auto", "NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic", "PME"] = "auto"
    """auto: PME where the structure has a periodic box, NoCutoff elsewhere."""
    cutoff: Length | None = None
    """Of the nonbonded forces; by default 1 nm where the method has one."""
    implicit_solvent: Literal["HCT", "OBC1", "OBC2", "GBn", "GBn2"] | None = None
    """For an Amber or CHARMM `topology`; with `forcefield` add implicit/obc2.xml there."""
    hydrogen_mass: Mass | None = None
    minimize: bool = False
    """Minimise the energy of the starting structure first."""
    platform: Literal["auto", "Reference", "CPU", "OpenCL", "CUDA", "HIP"] = "auto"
    """auto: the fastest in a short measurement, once a campaign."""

    @model_validator(mode="before")
    @classmethod
    def _no_barostat(cls, data: Any) -> Any:
        if isinstance(data, dict) and "barostat" in data:
            what, remedy = "is none of its keys: a pressure asks for one", "Write pressure: 1 bar"
            raise problem(what, remedy, at=("barostat",), value=data["barostat"])
        return data

    @model_validator(mode="after")
    def _one_source(self) -> OpenMMSystem:
        given = [k for k in SOURCES if getattr(self, k)]
        if len(given) != 1:
            what = f"is given together with {given[0]}" if given else "no force field is given"
            remedy = "Give exactly one of forcefield (a list of XML files), topology, system_xml"
            remedy += ", factory"
            key = given[1] if given else "forcefield"
            raise problem(what, remedy, at=(key,), value=getattr(self, key))
        partner = PARTNER.get(given[0])
        if partner is not None and getattr(self, partner) is None:
            remedy = f"Add {partner}: FILE, it goes with {given[0]}"
            raise problem("is missing", remedy, at=(partner,))
        for other in ("structure", "coordinates"):
            if other != partner and getattr(self, other) is not None:
                goes = f"{partner} goes with {given[0]}" if partner else "a factory has positions"
                raise problem(
                    "is not used", f"Remove it: {goes}", at=(other,), value=getattr(self, other)
                )
        self._no_idle_options(given[0])
        return self

    @model_validator(mode="after")
    def _of_its_topology(self) -> OpenMMSystem:
        """Options of one program's topologies, with that program's only."""
        suffix = PurePath(self.topology).suffix.lower() if self.topology else ""
        for key, suffixes in OF_ONE.items():
            if getattr(self, key) and suffix not in suffixes:
                what = f"is for a {TOPOLOGIES[suffixes]} topology"
                raise problem(what, "Remove it", at=(key,), value=getattr(self, key))
        if suffix in CHARMM and not self.parameters:
            remedy = "Add parameters: [par_all36_prot.prm, …], the files that the psf was made with"
            raise problem("is missing", remedy, at=("parameters",))
        if self.implicit_solvent and suffix not in (*AMBER, *CHARMM):
            raise problem(
                "is for an Amber or CHARMM topology",
                "Add a file like implicit/obc2.xml to system.forcefield instead",
                at=("implicit_solvent",),
                value=self.implicit_solvent,
            )
        return self

    def _no_idle_options(self, source: str) -> None:
        """Refuse what would be read and then do nothing."""
        idle: list[str] = []
        what, remedy = "", ""
        if source in ("system_xml", "factory"):
            fixed = ("constraints", "rigid_water", "nonbonded", "cutoff", "hydrogen_mass", "box")
            idle = [k for k in fixed if getattr(self, k) != type(self).model_fields[k].default]
            whose = "the serialised System" if source == "system_xml" else "what the factory makes"
            what, remedy = f"is fixed by {whose}", "Set it where the System is made"
        elif self.nonbonded == "NoCutoff" and self.cutoff is not None:
            idle, what, remedy = ["cutoff"], "does nothing with NoCutoff", "Remove one of the two"
        elif self.implicit_solvent and self.box is not None:
            idle, what, remedy = ["box"], "does nothing with an implicit solvent", "Remove it"
        elif self.solvent is not None and self.solvent.padding is not None and self.box is not None:
            idle, what = ["box"], "is given together with solvent.padding"
            remedy = "Remove one of the two"
        if source != "forcefield" and self.solvent is not None:
            idle, what = ["solvent"], "is put around a molecule by its force field only"
            remedy = "Solvate it with the program that made its topology (tleap, gmx solvate)"
        if source != "factory" and self.arguments:
            idle, what, remedy = ["arguments"], "is for a factory", "Remove it"
        if idle:
            raise problem(what, remedy, at=(idle[0],), value=getattr(self, idle[0]))
