"""A molecule that feels where it is, or how it lies, has no density of its internal coordinates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openmm as mm
import pytest
import torsion_molecule
from alanine_molecule import AMBER14_OBC2, molecule
from places import CONFIGS
from sections import build_system

from msgen.actors.configurations.coordinates import InCoordinates, check_alone, exact_coordinates
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.orchestrator.schema.problems import CampaignError
from msgen.orchestrator.validate import check, load_campaign
from msgen.systems.base import Array, System, Walkers
from msgen.systems.errors import SpecError
from msgen.systems.external_field import field_felt


def tether() -> Any:
    """Level at the start: its atom stands where it is tied to."""
    force = mm.CustomExternalForce("50*((x+0.05)^2+(y-0.14)^2+z^2)")
    force.addParticle(0, [])
    return force


def dipole() -> Any:
    """A neutral molecule in an even field: it may be shifted, and not be turned."""
    force = mm.CustomExternalForce("q*z*40")
    force.addPerParticleParameter("q")
    force.addParticle(0, [1.0])
    force.addParticle(3, [-1.0])
    return force


def inside_a_cv() -> Any:
    wall = mm.CustomExternalForce("max(0, x-0.1)^2")
    for atom in range(4):
        wall.addParticle(atom, [])
    force = mm.CustomCVForce("1000*w")
    force.addCollectiveVariable("w", wall)
    return force


def compound() -> Any:
    """Of two atoms, and of where the first stands."""
    force = mm.CustomCompoundBondForce(2, "20*distance(p1,p2)*x1")
    force.addBond([0, 3], [])
    return force


def centroid() -> Any:
    force = mm.CustomCentroidBondForce(1, "5*z1^2")
    force.addGroup([0, 1, 2, 3])
    force.addBond([0], [])
    return force


FIELDS = (tether, dipole, inside_a_cv, compound, centroid)
TORQUE_ONLY = (dipole,)


def chain(folder: Path, field: Callable[[], Any] | None, strategy: str = "{kind: local}") -> Path:
    """The campaign of the four atoms, and a field in their System."""
    path = Path(torsion_molecule.write(folder, strategy, "replicas: 8") + ".yaml")
    system = mm.XmlSerializer.deserialize((folder / "chain.xml").read_text())
    if field is not None:
        system.addForce(field())
    (folder / "chain.xml").write_text(mm.XmlSerializer.serialize(system))
    return path


def built(folder: Path, field: Callable[[], Any] | None, platform: str) -> Any:
    chain(folder, field)
    spec = {"kind": "openmm", "structure": "chain.pdb", "system_xml": "chain.xml"}
    return build_system({**spec, "temperature": 300.0, "platform": platform}, folder)


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f.__name__)
def test_fields_are_felt_whatever_they_are_called(
    tmp_path: Path, field: Callable[[], Any], platform: str
) -> None:
    system = built(tmp_path, field, platform)
    assert field_felt(system) > 0.1
    assert (field_felt(system, turned=False) == 0.0) == (field in TORQUE_ONLY)


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_a_molecule_by_itself_feels_nothing(tmp_path: Path, platform: str) -> None:
    """In single precision as well: rounding is no field."""
    assert field_felt(built(tmp_path, None, platform)) == 0.0
    assert field_felt(molecule(platform=platform)[0]) == 0.0
    implicit = build_system({**AMBER14_OBC2, "platform": platform}, CONFIGS)
    assert field_felt(implicit) == 0.0


def test_twin_that_goes_by_names_misses_fields(tmp_path: Path) -> None:
    """What the drift of a free molecule was told by: two classes of forces."""
    system = built(tmp_path, inside_a_cv, "Reference")
    names = {type(f).__name__ for f in system.openmm_system.getForces()}
    assert not names & {"CustomExternalForce", "PythonForce"}
    assert not system._movable
    assert built(tmp_path, None, "Reference")._movable


def spread(system: System) -> float:
    """Of ln ρ* over five copies of one y."""
    seen = exact_coordinates("internal", system)
    y = np.repeat(seen.encode(system.initial().positions), 5, axis=0)
    return float(np.ptp(InCoordinates(BoltzmannTarget(system), seen).log_density(y)))


def test_the_density_of_one_y_is_one_number(tmp_path: Path) -> None:
    """Twin: in a field it is as many as there are rows, by how each happens to be turned."""
    assert spread(built(tmp_path, None, "Reference")) < 1e-6
    assert spread(built(tmp_path, tether, "Reference")) > 1.0


MODELLED = {
    "flow_mcmc": "{kind: flow_mcmc}",
    "importance": "{kind: importance, training: {kind: adaptive}}",
    "targeted": "{kind: targeted}",
}


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", MODELLED)
def test_campaigns_are_refused_at_the_start(
    tmp_path: Path, kind: str, field: Callable[[], Any]
) -> None:
    with pytest.raises(CampaignError) as refusal:
        check(load_campaign(chain(tmp_path, field, MODELLED[kind])), tmp_path)
    (problem,) = refusal.value.problems
    assert problem.path == ("strategy", "coordinates")
    assert problem.value == "auto"
    assert "moved as a whole it changes by" in problem.problem
    assert "kind: steered" in problem.remedy


@pytest.mark.parametrize("kind", MODELLED)
def test_without_a_field_they_are_not(tmp_path: Path, kind: str) -> None:
    check(load_campaign(chain(tmp_path, None, MODELLED[kind])), tmp_path)


def test_models_on_the_cvs_bear_a_field(tmp_path: Path) -> None:
    check(load_campaign(chain(tmp_path, tether, "{kind: steered}")), tmp_path)


class Batched:
    """A potential that is stepped in batches and has atoms: the chain's own energy."""

    engine = "batched"

    def __init__(self, inner: System) -> None:
        self._inner = inner
        self.n_dof, self.kT, self.masses = inner.n_dof, inner.kT, inner.masses
        self.deterministic, self.topology = True, inner.topology
        self.constraints = inner.constraints

    def initial(self) -> Walkers:
        return self._inner.initial()

    def energy(self, walkers: Walkers) -> Array:
        return self._inner.energy(walkers)

    def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
        return self._inner.energy_and_force(walkers)


def test_so_are_potentials_with_atoms(tmp_path: Path) -> None:
    check_alone("auto", Batched(built(tmp_path, None, "Reference")))
    with pytest.raises(SpecError, match="moved as a whole"):
        check_alone("auto", Batched(built(tmp_path, compound, "Reference")))
