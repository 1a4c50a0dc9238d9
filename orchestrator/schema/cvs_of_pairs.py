"""CVs that count pairs of atoms which are close."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.cvs_of_atoms import Atom, Atoms
from msgen.orchestrator.schema.quantities import Length, Section, problem


class _Switched(CVSection):
    """Sums of (1 − (r/r₀)ⁿ)/(1 − (r/r₀)ᵐ)."""

    n: int = Field(default=6, ge=1)
    m: int = Field(default=12, ge=2)

    @model_validator(mode="after")
    def _falls(self) -> _Switched:
        if self.m <= self.n:
            what = f"must be larger than n = {self.n}"
            raise problem(what, "Try n: 6, m: 12", at=("m",), value=self.m)
        return self


class Coordination(_Switched):
    """Σᵢⱼ (1 − (rᵢⱼ/r₀)ⁿ)/(1 − (rᵢⱼ/r₀)ᵐ) over pairs of two groups."""

    kind: Literal["coordination"]
    groups: list[Atoms] = Field(min_length=2, max_length=2)
    """Two groups, each a list of atoms or a selection."""
    r0: Length

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, math.inf)


class Contact(Section):
    """One contact of a map."""

    atoms: list[Atom] = Field(min_length=2, max_length=2)
    r0: Length | None = None
    """By default that of the map."""
    weight: float = Field(default=1.0, allow_inf_nan=False)


class ContactMap(_Switched):
    """Σ w (1 − (r/r₀)ⁿ)/(1 − (r/r₀)ᵐ) over contacts that are named one by one."""

    kind: Literal["contact_map"]
    contacts: list[Contact] = Field(min_length=1)
    r0: Length | None = None
    """Of all contacts that have none of their own."""

    @model_validator(mode="after")
    def _each_has_r0(self) -> ContactMap:
        if self.r0 is None:
            for k, contact in enumerate(self.contacts):
                if contact.r0 is None:
                    remedy = "Give the map an r0, or each contact its own"
                    raise problem("is missing", remedy, at=("contacts", k, "r0"))
        if not any(contact.weight for contact in self.contacts):
            raise problem("weigh nothing", "Give one a weight", at=("contacts",))
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        weights = [contact.weight for contact in self.contacts]
        return (sum(min(w, 0.0) for w in weights), sum(max(w, 0.0) for w in weights))


class NativeContacts(CVSection):
    """Share of the native contacts that are formed, 0 to 1 (Best, Hummer and Eaton 2013)."""

    kind: Literal["native_contacts"]
    atoms: Atoms = "element != H"
    """Pairs of these, where there are no groups."""
    groups: list[Atoms] | None = Field(default=None, min_length=2, max_length=2)
    """Two groups between which contacts are counted."""
    reference: str | None = None
    """Structure file with the native contacts; by default the starting structure."""
    cutoff: Length = 0.45
    """Pairs closer than it in the reference are native."""
    separation: int = Field(default=3, ge=0)
    """Residues of one chain count where they are further apart than this."""
    width: Length = 0.02
    """1/β of each contact's logistic function."""
    tolerance: float = Field(default=1.8, gt=0, allow_inf_nan=False)
    """λ: a contact is half formed at so many times its native distance; 1.2 of Cα models."""

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, 1.0)
