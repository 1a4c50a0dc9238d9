"""What a role may use on its worker: the system, the CVs and the frozen models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgen.actors.base import Tree, decode
from msgen.actors.slices import Slices
from msgen.actors.walker_files import Shelf
from msgen.models.base import GenerativeModel, ModelState

if TYPE_CHECKING:
    from msgen.systems.base import CVSet, System
    from msgen.systems.watched import Watched


class Models(Mapping[int, GenerativeModel]):
    """Frozen models by version, rebuilt from their states when first asked for."""

    def __init__(self) -> None:
        self._states: dict[int, ModelState] = {}
        self._built: dict[int, GenerativeModel] = {}

    def publish(self, version: int, tree: Tree) -> None:
        """Take the encoded `ModelState` of `version`; what was built of another is dropped."""
        self._states[version] = decode(ModelState, tree)
        self._built.pop(version, None)

    def retire(self, version: int) -> None:
        """Forget `version`; unknown versions are fine."""
        self._states.pop(version, None)
        self._built.pop(version, None)

    def state(self, version: int) -> ModelState:
        """The frozen model `version` as it was published.

        Raises
        ------
        KeyError
            If it never was.
        """
        if version not in self._states:
            known = ", ".join(map(str, self._states)) or "none"
            raise KeyError(f"model version {version} was never published (known: {known})")
        return self._states[version]

    def __getitem__(self, version: int) -> GenerativeModel:
        if version not in self._built:
            from msgen.models import load  # here, so that orders without a model need no torch

            self._built[version] = load(self.state(version))
        return self._built[version]

    def __iter__(self) -> Iterator[int]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)


class WorkerContext:
    """What is dear to build, built once per worker and only when a role asks.

    Parameters
    ----------
    setup : Tree
    system, cvs
        Where this process has built them already, on the platform of `setup`.
    outer : WorkerContext, optional
        That of the campaign, whose system and CVs a strategy inside it shares.

    Attributes
    ----------
    setup : Tree
        Plain resolved spec dicts: 'system', 'cvs', 'strategy', 'model' …; 'base_dir' (str, where
        relative files lie), 'platform' (str or None, the one chosen for the run), 'seed' and
        'threads' (int); 'shelf' (str or None: the folder of big walkers).
    models : Models
    slices : Slices or None
        Of the order in hand.
    cache : dict
        For roles: an OpenMM Context, a compiled protocol. Never holds walker state.
    """

    def __init__(
        self,
        setup: Tree,
        system: System | None = None,
        cvs: CVSet | None = None,
        outer: WorkerContext | None = None,
    ) -> None:
        self.setup, self._outer = setup, outer
        if system is not None and cvs is not None:
            self.system, self.cvs = system, cvs
        self.models = Models()
        self.slices: Slices | None = None
        self.cache: dict[str, Any] = {}

    def inside(self, name: str) -> WorkerContext:
        """That of a strategy inside the campaign's own."""
        rest = {key: value for key, value in self.setup.items() if key != "nested"}
        return WorkerContext({**rest, **self.setup["nested"][name]}, outer=self)

    def beside(self, name: str) -> WorkerContext:
        """That of another system whose orders go along with the campaign's; models are shared."""
        rest = {key: value for key, value in self.setup.items() if key not in ("nested", "beside")}
        found = WorkerContext({**rest, **self.setup["beside"][name]})
        found.models = self.models
        return found

    @property
    def base_dir(self) -> Path:
        """Folder that file names in the campaign are relative to."""
        return Path(self.setup.get("base_dir", "."))

    @cached_property
    def shelf(self) -> Shelf:
        """Where big walkers lie."""
        return Shelf(Path(self.setup["shelf"]))

    @cached_property
    def system(self) -> System:
        """The campaign's system, on the platform chosen for the run."""
        if self._outer is not None:
            return self._outer.system
        from msgen.systems import build_system

        return build_system(
            self.setup["system"], self.base_dir, platform=self.setup.get("platform")
        )

    @cached_property
    def watched(self) -> Watched:
        """What is looked at beside the CVs, and never pushed."""
        if self._outer is not None:
            return self._outer.watched
        from msgen.systems.watched import watched

        return watched(self.system, self.cvs)

    @cached_property
    def cvs(self) -> CVSet:
        """The campaign's collective variables."""
        if self._outer is not None:
            return self._outer.cvs
        from msgen.systems import build_cvs

        return build_cvs(self.setup["cvs"], self.system, self.base_dir)
