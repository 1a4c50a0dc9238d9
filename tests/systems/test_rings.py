"""Torsions that are suggested can turn: bonds of small rings are left out, of large ones not."""

from __future__ import annotations

from pathlib import Path

import mdtraj
import networkx
import numpy as np
import pytest
from foreign_atoms import villin
from places import ROOT

from msgen.orchestrator.commands.init.command import write_campaign
from msgen.orchestrator.commands.init.guesses import backbone, guesses
from msgen.orchestrator.validate import load_campaign
from msgen.systems.topology.rings import LARGEST, in_small_ring, neighbours
from msgen.systems.topology.rotatable_torsions import free_torsions, torsions_outside_rings

HOST = ROOT / "docs" / "tutorials" / "files" / "cb7_b2.prmtop"
CYCLIC = ROOT / "tests" / "benchmarks" / "systems_parts" / "cyclic_glycine.pdb"


def ring_with_arm(n: int) -> mdtraj.Topology:
    """A ring of n carbons, and an arm of three at the first."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("RNG", topology.add_chain())
    for k in range(n + 3):
        topology.add_atom(f"C{k}", mdtraj.element.carbon, residue)
    atoms = list(topology.atoms)
    pairs = [(k, (k + 1) % n) for k in range(n)] + [(0, n), (n, n + 1), (n + 1, n + 2)]
    for a, b in pairs:
        topology.add_bond(atoms[a], atoms[b])
    return topology


def middle(torsions: object) -> set[tuple[int, int]]:
    return {(int(t[1]), int(t[2])) for t in np.asarray(torsions).reshape(-1, 4)}


@pytest.mark.parametrize("n", [3, 5, 6, 7, LARGEST, LARGEST + 1, 18])
def test_bonds_of_small_rings_alone_are_left_out(n: int) -> None:
    topology = ring_with_arm(n)
    arm = {(0, n), (n, n + 1)}
    ring = {(k, k + 1) for k in range(n - 1)} | {(0, n - 1)}
    assert middle(free_torsions(topology)[1]) == arm | ring  # what is watched has them all
    kept = arm if n <= LARGEST else arm | ring
    assert middle(torsions_outside_rings(topology)) == kept


def test_rings_of_a_protein_are_those_of_its_graph() -> None:
    """Against the smallest rings that networkx finds; bicyclic tryptophan is among them."""
    topology = villin().topology
    graph = topology.to_bondgraph()
    cycles = networkx.minimum_cycle_basis(graph)
    small = {
        frozenset((a.index, b.index))
        for cycle in cycles
        for a in cycle
        for b in cycle
        if len(cycle) <= LARGEST and graph.has_edge(a, b)
    }
    near = neighbours(topology)
    found = {
        frozenset((a.index, b.index))
        for a, b in topology.bonds
        if in_small_ring(near, a.index, b.index)
    }
    waters = {frozenset(b.index for b in pair) for pair in topology.bonds
              if pair[0].residue.is_water}  # fmt: skip
    assert found - waters == small - waters
    residues = {topology.atom(min(bond)).residue.name for bond in found - waters}
    assert residues == {"HIS", "PHE", "PRO", "TRP"}


def test_phi_of_proline_is_no_cv_and_all_else_is() -> None:
    topology = villin().topology
    found = [name for name, _ in backbone(topology)]
    residues = [r for r in topology.residues if r.is_protein][1:-1]
    every = [f"{angle}_{r.resSeq}" for r in residues for angle in ("phi", "psi")]
    prolines = [f"phi_{r.resSeq}" for r in residues if r.name == "PRO"]
    assert prolines == ["phi_21"]
    assert found == [name for name in every if name not in prolines]


def test_a_large_ring_turns() -> None:
    """Left out because it is a ring at all, a cyclic peptide would have no φ and ψ."""
    topology = mdtraj.load(str(CYCLIC)).topology
    near = neighbours(topology)
    found = dict(backbone(topology))
    assert list(found) == [f"{angle}_{k}" for k in (2, 3, 4, 5) for angle in ("phi", "psi")]
    assert all(in_small_ring(near, i, j, largest=18) for _, i, j, _ in found.values())
    assert not any(in_small_ring(near, i, j, largest=17) for _, i, j, _ in found.values())


def test_a_ring_without_arms_is_followed_by_a_distance() -> None:
    topology = ring_with_arm(6)
    ring = topology.subset(range(6))
    angles = 2 * np.pi * np.arange(9) / 6
    places = 0.14 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    assert next(list(g.cvs) for g in guesses(ring, places[:6])) == ["d"]
    first = next(guesses(topology, places)).cvs
    assert first == {"torsion": "{kind: dihedral, atoms: [RNG0:C1, RNG0:C0, RNG0:C6, RNG0:C7]}"}


def test_of_a_host_and_its_guest_only_the_guests_arms_turn() -> None:
    """The first 64 torsions are all of the host, whose glycolurils share rings of eight."""
    topology = mdtraj.load_prmtop(str(HOST))
    atoms = list(topology.atoms)
    told = [{atoms[i].name, atoms[j].name} for _, i, j, _ in torsions_outside_rings(topology)]
    assert told == [{"C3", "C10"}, {"C4", "C9"}]


def test_init_writes_psi_of_a_proline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proline between its caps, cut from the protein: φ was the first that was suggested."""
    whole = villin()
    caps = {20: {"CA": "CH3", "C": "C", "O": "O"}, 22: {"N": "N", "CA": "CH3"}}
    rows = []
    for atom in whole.topology.atoms:
        of = atom.residue
        if not of.is_protein or not 20 <= of.resSeq <= 22 or atom.element.symbol == "H":
            continue
        name = caps.get(of.resSeq, {}).get(atom.name, atom.name if of.resSeq == 21 else "")
        x, y, z = 10 * whole.positions[atom.index]
        called = {20: "ACE", 21: "PRO", 22: "NME"}[of.resSeq]
        if name:
            rows.append(
                f"ATOM  {len(rows) + 1:5d}  {name:3s} {called} A  {of.resSeq:2d}    "
                f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {atom.element.symbol}  \n"
            )
    (tmp_path / "turn.pdb").write_text("".join([*rows, "END\n"]))
    monkeypatch.chdir(tmp_path)
    written = write_campaign([Path("turn.pdb")], tmp_path, hydrogens=True)
    cvs = load_campaign(written).cvs
    assert list(cvs) == ["psi_21"]
