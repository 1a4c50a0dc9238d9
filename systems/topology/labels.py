"""What residues and atoms are called: ``ALA2:CA``, and ``B/ALA2:CA`` where that is not enough."""

from __future__ import annotations

from collections import Counter
from typing import Any


def chain_labels(topology: Any) -> list[str]:
    """A name of its own for every chain: its letter, or its number from 0 where letters repeat."""
    letters = [str(getattr(chain, "chain_id", None) or "").strip() for chain in topology.chains]
    if len(set(letters)) == len(letters) and all(letters):
        return letters
    return [str(k) for k in range(len(letters))]


def residue_labels(topology: Any) -> list[str]:
    """A name for every residue; with its chain where another chain has the same."""
    chains = chain_labels(topology)
    short = [f"{r.name}{r.resSeq}" for r in topology.residues]
    times = Counter(short)
    return [
        name if times[name] == 1 else f"{chains[r.chain.index]}/{name}"
        for r, name in zip(topology.residues, short, strict=True)
    ]


def atom_labels(topology: Any) -> list[str]:
    """A name for every atom, of its own unless a file calls two atoms of a residue the same."""
    residues = residue_labels(topology)
    return [f"{residues[a.residue.index]}:{a.name}" for a in topology.atoms]
