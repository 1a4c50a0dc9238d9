"""Atoms by index, by ``RES:NAME`` or by an mdtraj selection."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgen.systems.errors import SpecError
from msgen.systems.topology.labels import atom_labels, chain_labels

_RES_NAME = re.compile(r"^(?:([^\s:/]+)/)?([^\s:]+):([^\s:]+)$")


def _by_index(index: int, n_atoms: int, field: Sequence[str | int]) -> int:
    if not 0 <= index < n_atoms:
        raise SpecError(
            field, index, "no such atom", f"Atoms count from 0 to {n_atoms - 1} in this system"
        )
    return index


def _by_label(text: str, topology: Any, field: Sequence[str | int]) -> list[int]:
    match = _RES_NAME.match(text)
    assert match is not None
    chain, residue, name = match.groups()
    chains = chain_labels(topology)
    found = [
        a.index
        for a in topology.atoms
        if a.name == name
        and residue in (a.residue.name, f"{a.residue.name}{a.residue.resSeq}")
        and chain in (None, chains[a.residue.chain.index])
    ]
    if not found:
        labels = set(atom_labels(topology))
        labels |= {f"{a.residue.name}:{a.name}" for a in topology.atoms}
        near = difflib.get_close_matches(text, sorted(labels), n=3, cutoff=0.5)
        remedy = (
            f"Did you mean {', '.join(near)}?"
            if near
            else "Write it as RES:NAME, for instance " + atom_labels(topology)[0]
        )
        raise SpecError(field, text, "no atom is called that", remedy.rstrip("?"))
    return found


def _by_selection(text: str, topology: Any, field: Sequence[str | int]) -> list[int]:
    try:
        return [int(i) for i in topology.select(text)]
    except Exception as error:  # mdtraj raises whatever its parser and the evaluated code raise
        raise SpecError(
            field,
            text,
            "is no atom index, no RES:NAME and no mdtraj selection",
            "Write 8, ALA:CA, or an mdtraj selection such as 'resSeq 2 and name CA'",
        ) from error


def resolve_atoms(spec: object, topology: Any, field: Sequence[str | int]) -> tuple[int, ...]:
    """A group of atoms: a list of what `resolve_atom` takes, or one selection.

    Raises
    ------
    SpecError
        If nothing matches, an atom comes twice, or an entry is wrong.
    """
    if isinstance(spec, list | tuple):
        atoms = [resolve_atom(s, topology, (*field, k)) for k, s in enumerate(spec)]
    elif isinstance(spec, str):
        atoms = (
            _by_label(spec, topology, field)
            if _RES_NAME.match(spec)
            else _by_selection(spec, topology, field)
        )
    else:
        atoms = [resolve_atom(spec, topology, field)]
    if not atoms:
        raise SpecError(field, spec, "matches no atom", "Give at least one atom")
    if len(set(atoms)) != len(atoms):
        raise SpecError(field, spec, "names an atom twice", "Give every atom once")
    return tuple(atoms)


def resolve_atom(spec: object, topology: Any, field: Sequence[str | int]) -> int:
    """One atom by index (from 0), ``RES:NAME``, ``RES2:NAME``, ``B/RES2:NAME`` or a selection.

    Parameters
    ----------
    spec : object
        As in the campaign file; a selection is mdtraj's, a chain its letter or number from 0.
    topology : mdtraj.Topology
    field : sequence
        Where `spec` stands in the campaign.

    Raises
    ------
    SpecError
        Unless exactly one atom matches; says how many did, and the nearest names.
    """
    if isinstance(spec, bool) or not isinstance(spec, int | str):
        raise SpecError(field, spec, "is not an atom", "Give an index, RES:NAME or a selection")
    if isinstance(spec, int):
        return _by_index(spec, topology.n_atoms, field)
    if spec.strip().lstrip("-").isdigit():
        return _by_index(int(spec), topology.n_atoms, field)
    label = _RES_NAME.match(spec) is not None
    found = _by_label(spec, topology, field) if label else _by_selection(spec, topology, field)
    if len(found) == 1:
        return found[0]
    labels = atom_labels(topology)
    times = Counter(labels)
    names = ", ".join(
        labels[i] if times[labels[i]] == 1 else f"{i} ({labels[i]})" for i in found[:4]
    )
    more = ", …" if len(found) > 4 else ""
    remedy = (
        "Write a selection that matches exactly one atom"
        if not found
        else f"It must match exactly one; name one of {names}{more}"
    )
    raise SpecError(field, spec, f"matches {len(found)} atoms", remedy)
