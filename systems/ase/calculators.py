"""Calculators from their description: they do not travel, so that every worker makes its own."""

from __future__ import annotations

import difflib
import os
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgen.systems.errors import SpecError
from msgen.systems.files import as_path
from msgen.systems.kinds import Field
from msgen.systems.potentials.python import load_factory

FIELD: Field = ("system", "calculator")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def _tblite(arguments: Mapping[str, Any], charge: int, spin: int | None) -> dict[str, Any]:
    # without `cache_api` every call begins its SCF anew, and depends on no other
    taken = {"verbosity": 0, "cache_api": False, **arguments, "charge": charge}
    return taken if spin is None else {**taken, "multiplicity": spin + 1}


_CHARGED: Mapping[str, Callable[[Mapping[str, Any], int, int | None], dict[str, Any]]] = {
    "tblite": _tblite,
}
"""What calculators that know of charges are called with."""


@dataclass(frozen=True)
class CalculatorSpec:
    """A calculator as a campaign describes it.

    Attributes
    ----------
    arguments : Mapping
        Given to it by name. A text that names a file beside the campaign is given as its path.
    name : str or None
        As ASE calls it: 'emt', 'lj', 'tblite' …
    factory : str or None
        ``package.module:function``, which returns one.
    """

    arguments: Mapping[str, Any]
    name: str | None = None
    factory: str | None = None

    def make(self, base_dir: Path, charge: int = 0, spin: int | None = None) -> Any:
        """A calculator of ASE's.

        Parameters
        ----------
        base_dir : Path
            The campaign file's folder.
        charge : int
            Of the whole system, in e.
        spin : int or None
            Number of unpaired electrons; None leaves it to the calculator.

        Raises
        ------
        SpecError
            If there is none of the name, a package is missing, or it refuses its arguments.
        """
        for name in _THREADS:  # read once, by whichever library is loaded first
            os.environ.setdefault(name, "1")
        given = {key: as_path(value, base_dir) for key, value in self.arguments.items()}
        told = {key: v for key, v in (("charge", charge), ("spin", spin)) if v}
        if self.factory is not None:
            make = load_factory(self.factory, base_dir, (*FIELD, "factory"))
            return self._called(make, {**given, **told})
        assert self.name is not None
        if self.name in _CHARGED:
            given = _CHARGED[self.name](given, charge, spin)
        elif told:
            key = next(iter(told))
            raise SpecError(
                ("system", key),
                told[key],
                f"is not known to the calculator {self.name}",
                "Write it into calculator.arguments, by the name it has there, or remove it",
            )
        return self._called(_class(self.name), given)

    def _called(self, make: Callable[..., Any], given: Mapping[str, Any]) -> Any:
        try:
            return make(**given)
        except Exception as error:  # calculators raise anything
            raise SpecError(
                (*FIELD, "arguments"),
                dict(self.arguments),
                f"{self.name or self.factory} raised {type(error).__name__}: {error}",
                "Give the arguments that it takes",
            ) from error


def _class(name: str) -> Callable[..., Any]:
    """The class that ASE calls so."""
    where = (*FIELD, "name")
    try:
        if name == "tblite":
            from tblite.ase import TBLite as found
        else:
            from ase.calculators.calculator import get_calculator_class

            found = get_calculator_class(name)
    except ModuleNotFoundError as error:
        if error.name in (None, f"ase.calculators.{name}"):
            raise SpecError(where, name, "is no calculator of ASE", _nearest(name)) from error
        remedy = f"Install it: pip install {'msgen[tblite]' if name == 'tblite' else error.name}"
        raise SpecError(where, name, f"needs {error.name}, which is not here", remedy) from error
    except (ImportError, AttributeError) as error:
        raise SpecError(where, name, f"cannot be used ({error})", _nearest(name)) from error
    made: Callable[..., Any] = found
    return made


def _nearest(name: str) -> str:
    import ase.calculators

    known = sorted({m.name for m in pkgutil.iter_modules(ase.calculators.__path__)} | {"tblite"})
    near = difflib.get_close_matches(name, known, n=1)
    other = "write factory: module:function, which returns a calculator"
    return f"Did you mean {near[0]!r}? Or {other}" if near else other.capitalize()
