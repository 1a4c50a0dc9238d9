"""Watches that a molecule stays the same molecule: peptide bonds and chiral centres.

A hard push over a CV range may flip ω or a stereocentre; what comes out is no new state of the
molecule that the campaign is about.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array
from msgen.systems.topology.labels import atom_labels, residue_labels


def _neighbours(topology: Any) -> list[list[int]]:
    near: list[list[int]] = [[] for _ in range(topology.n_atoms)]
    for a, b in topology.bonds:
        near[a.index].append(b.index)
        near[b.index].append(a.index)
    return near


def _symbol(topology: Any, i: int) -> str:
    element = topology.atom(i).element
    return str(element.symbol) if element is not None else "VS"


def _colours(topology: Any, near: list[list[int]]) -> list[int]:
    """Classes of equivalent atoms, by refinement over neighbours (Morgan, Weisfeiler–Leman)."""
    names = [_symbol(topology, i) for i in range(topology.n_atoms)]
    index = {s: k for k, s in enumerate(sorted(set(names)))}
    colours = [index[s] for s in names]
    while True:
        keys = [(colours[i], tuple(sorted(colours[j] for j in near[i]))) for i in range(len(near))]
        ranks = {k: r for r, k in enumerate(sorted(set(keys)))}
        if len(ranks) == len(set(colours)):
            return colours
        colours = [ranks[k] for k in keys]


def _peptide_bonds(topology: Any, near: list[list[int]]) -> list[tuple[int, int, int, int]]:
    """ω of every secondary or tertiary amide: (C of the acyl side, C, N, C of the amine side)."""
    found = []
    for c in range(topology.n_atoms):
        if _symbol(topology, c) != "C" or len(near[c]) != 3:
            continue
        if not any(_symbol(topology, o) == "O" and len(near[o]) == 1 for o in near[c]):
            continue
        acyl = [a for a in near[c] if _symbol(topology, a) == "C"]
        for n in (a for a in near[c] if _symbol(topology, a) == "N"):
            amine = [a for a in near[n] if a != c and _symbol(topology, a) == "C"]
            if acyl and amine:
                # proline's N has CA and CD: ω is measured to CA
                amine.sort(key=lambda a: (topology.atom(a).name != "CA", a))
                found.append((acyl[0], c, n, amine[0]))
    return found


def _centres(topology: Any, near: list[list[int]]) -> list[tuple[int, int, int, int]]:
    """Carbons with four different substituents: (centre, first, second, third of them)."""
    colours = _colours(topology, near)
    found = []
    for c in range(topology.n_atoms):
        if _symbol(topology, c) == "C" and len({colours[j] for j in near[c]}) == 4 == len(near[c]):
            # hydrogen last, so that three heavy atoms span the volume wherever there are three
            order = sorted(near[c], key=lambda j: (_symbol(topology, j) == "H", j))
            found.append((c, order[0], order[1], order[2]))
    return found


class StereoWatch:
    """Compares ω torsions and chiral centres with those of the start.

    Peptide bonds are amides by their bonds (C=O, N with a carbon on it); chiral centres are
    carbons with four substituents that no symmetry of the bond graph exchanges.

    Parameters
    ----------
    topology : mdtraj.Topology
        With bonds; without any nothing is watched.
    positions0 : Array, shape (3N,) or (N, 3)
        The start, in nm.

    Attributes
    ----------
    n_watched : int
        Peptide bonds plus chiral centres.
    """

    def __init__(self, topology: Any, positions0: Array) -> None:
        near = _neighbours(topology)
        bonds, centres = _peptide_bonds(topology, near), _centres(topology, near)
        self._omega = np.array(bonds, dtype=np.intp).reshape(-1, 4)
        self._centre = np.array(centres, dtype=np.intp).reshape(-1, 4)
        atoms, residues = atom_labels(topology), residue_labels(topology)
        homes = [atom.residue.index for atom in topology.atoms]
        self._omega_names = [
            "omega " + "-".join(residues[homes[a]] for a in (b[1], b[2])) for b in bonds
        ]
        self._centre_names = [f"chirality {atoms[c[0]]}" for c in centres]
        start = np.asarray(positions0, dtype=np.float64).reshape(1, -1)
        self._cis0 = self._is_cis(start)[0]
        self._hand0 = self._is_left(start)[0]

    def among(self, atoms: NDArray[np.int64]) -> StereoWatch:
        """The same for configurations of some of the atoms; what needs others is not watched.

        Parameters
        ----------
        atoms : int array, shape (M,)
            In the order in which configurations will have them.
        """
        place = {int(a): k for k, a in enumerate(atoms)}

        def kept(rows: NDArray[np.intp]) -> list[int]:
            return [k for k, row in enumerate(rows.tolist()) if all(a in place for a in row)]

        def moved(rows: NDArray[np.intp]) -> NDArray[np.intp]:
            found = [[place[a] for a in row] for row in rows.tolist()]
            return np.array(found, dtype=np.intp).reshape(-1, 4)

        omega, centre = kept(self._omega), kept(self._centre)
        some = copy(self)
        some._omega, some._centre = moved(self._omega[omega]), moved(self._centre[centre])
        some._omega_names = [self._omega_names[k] for k in omega]
        some._centre_names = [self._centre_names[k] for k in centre]
        some._cis0, some._hand0 = self._cis0[omega], self._hand0[centre]
        return some

    @property
    def n_watched(self) -> int:
        """Peptide bonds plus chiral centres."""
        return len(self._omega) + len(self._centre)

    @property
    def omega(self) -> NDArray[np.intp]:
        """Atoms of ω of the peptide bonds, shape (P, 4)."""
        return self._omega

    @property
    def omega_names(self) -> tuple[str, ...]:
        """As «omega ALA2-NME3»."""
        return tuple(self._omega_names)

    @property
    def cis_at_start(self) -> tuple[str, ...]:
        """Names of the peptide bonds that are cis in the structure given."""
        return tuple(n for n, cis in zip(self._omega_names, self._cis0, strict=True) if cis)

    @property
    def centres(self) -> NDArray[np.intp]:
        """(centre, first, second, third substituent) of the chiral centres, shape (M, 4)."""
        return self._centre

    @property
    def centre_names(self) -> tuple[str, ...]:
        """As «chirality ALA2:CA»."""
        return tuple(self._centre_names)

    def _is_cis(self, x: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        p = x.reshape(len(x), -1, 3)[:, self._omega]
        b1, b2, b3 = (p[:, :, k + 1] - p[:, :, k] for k in range(3))
        # |ω| < 90° exactly where the two plane normals have a positive product
        return np.asarray((np.cross(b1, b2) * np.cross(b2, b3)).sum(-1) > 0)

    def _is_left(self, x: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        p = x.reshape(len(x), -1, 3)[:, self._centre]
        a, b, c = (p[:, :, k + 1] - p[:, :, 0] for k in range(3))
        return np.asarray((np.cross(a, b) * c).sum(-1) > 0)

    def names_flipped(self, positions: Array) -> list[list[str]]:
        """What differs from the start, by walker.

        Parameters
        ----------
        positions : Array, shape (n, 3N) or (n, N, 3)

        Returns
        -------
        list of list of str
            Such as ``["omega ALA2-NME3 cis", "chirality ALA2:CA"]``; empty where all is as it was.
            A walker that is not finite is ``["not finite"]``.
        """
        x = np.asarray(positions, dtype=np.float64).reshape(len(positions), -1)
        cis, left = self._is_cis(x), self._is_left(x)
        result = []
        for i in range(len(x)):
            if not np.isfinite(x[i]).all():
                result.append(["not finite"])
                continue
            names = [
                f"{name} {'cis' if cis[i, k] else 'trans'}"
                for k, name in enumerate(self._omega_names)
                if cis[i, k] != self._cis0[k]
            ]
            names += [n for k, n in enumerate(self._centre_names) if left[i, k] != self._hand0[k]]
            result.append(names)
        return result
