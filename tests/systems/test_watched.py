"""What is watched beside the CVs: all of a configuration that nothing biases, by name."""

from __future__ import annotations

import numpy as np
import pytest
from alanine_molecule import AMBER99SB, PHI_PSI
from places import CONFIGS, ROOT
from sections import build_cvs, build_system, filled

from msgen.systems.base import Walkers
from msgen.systems.openmm.description import describe
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.watched import MOST_COORDINATES, watched

X = {"x": {"kind": "coordinate", "index": 0}}


def test_other_coordinate_of_a_potential_and_its_energy() -> None:
    system = build_system({"kind": "double_well"}, ROOT)
    seen = watched(system, build_cvs(X, system, ROOT))
    assert seen.names == ("y", "energy")
    assert not seen.periodic.any()
    x = np.array([[0.3, -1.2], [1.0, 0.5]])
    values = seen(Walkers(x))
    np.testing.assert_array_equal(values[:, 0], x[:, 1])
    np.testing.assert_allclose(values[:, 1], system.energy(Walkers(x)) / system.kT, rtol=1e-12)


def test_a_cv_that_is_no_coordinate_leaves_all_of_them_watched() -> None:
    """Along a slope, what is across it is in both."""
    system = build_system({"kind": "double_well"}, ROOT)
    both = {
        "s": {
            "kind": "linear_combination",
            "terms": [
                {"coefficient": c, "cv": {"kind": "coordinate", "index": d}}
                for d, c in enumerate((0.6, 0.8))
            ],
        }
    }
    assert watched(system, build_cvs(both, system, ROOT)).names == ("x", "y", "energy")


def test_of_many_coordinates_every_one_has_a_part() -> None:
    system = build_system({"kind": "gaussian_mixture", "dim": 200, "means": [0.0]}, ROOT)
    seen = watched(system, build_cvs(X, system, ROOT))
    assert len(seen.names) == MOST_COORDINATES + 1
    assert seen.names[0] == "mean of x1 to x4"
    still = seen.geometry(np.zeros((1, 200)))
    moved = seen.geometry(np.eye(200))
    # x0 is the CV; each of the others moves one mean, by at least a quarter
    assert np.count_nonzero(moved[0] - still[0]) == 0
    assert (np.count_nonzero(moved[1:] - still, axis=1) == 1).all()
    assert moved[1:].max(axis=1).min() == pytest.approx(0.25)


def test_a_cluster_is_seen_whatever_its_place_and_the_order_of_its_particles() -> None:
    system = build_system({"kind": "dw4"}, ROOT)
    cv = {"e": {"kind": "potential_energy"}}
    seen = watched(system, build_cvs(cv, system, ROOT))
    assert seen.names[0] == "pair distance 1 of 6"
    rng = np.random.default_rng(1)
    p = rng.normal(size=(5, 4, 2))
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    other = p[:, [2, 0, 3, 1]] @ turn
    np.testing.assert_allclose(
        seen.geometry(p.reshape(5, -1)), seen.geometry(other.reshape(5, -1)), rtol=1e-12
    )
    # the coordinates themselves differ, and would between replicas for ever
    assert np.abs(p - other).max() > 0.5


def test_a_cis_peptide_bond_of_the_start_is_known_by_name() -> None:
    cis = ROOT / "tests" / "benchmarks" / "traps_cases" / "alanine_cis.pdb"
    told = []
    for structure in (cis, CONFIGS / "alanine_dipeptide.pdb"):
        system = build_system({**AMBER99SB, "structure": str(structure)}, CONFIGS)
        told.append(watched(system, build_cvs(PHI_PSI, system, CONFIGS)).cis)
        assert isinstance(system, OpenMMSystem)
        said = describe(system, filled(AMBER99SB)).facts.get("cis peptide bonds", "")
        assert said == ", ".join(told[-1])
    assert told == [("omega ACE1-ALA2",), ()]


def test_torsions_of_a_molecule_that_are_no_cv() -> None:
    system = build_system(AMBER99SB, CONFIGS)
    phi = {"phi": PHI_PSI["phi"]}
    alone, both = (watched(system, build_cvs(cvs, system, CONFIGS)) for cvs in (phi, PHI_PSI))
    omega = {"omega ACE1-ALA2", "omega ALA2-NME3"}
    assert set(both.names) == {*omega, "chirality ALA2:CA", "energy"}
    assert set(alone.names) - set(both.names) == {"torsion ALA2:CA-ALA2:C"}
    assert both.periodic.tolist() == [n.startswith("omega") for n in both.names]
    start = system.initial()
    values = alone(start)[0]
    psi = build_cvs(PHI_PSI, system, CONFIGS)(start.positions)[0, 1]
    at = alone.names.index("torsion ALA2:CA-ALA2:C")
    # ψ is N-CA-C-N; the torsion watched may be told by another neighbour, 120° or 180° away
    apart = np.degrees(values[at] - psi) % 60.0
    assert min(apart, 60.0 - apart) < 12.0
    for name in omega:
        assert abs(values[alone.names.index(name)]) > 2.5
    assert abs(values[alone.names.index("chirality ALA2:CA")]) == pytest.approx(0.7, abs=0.15)
