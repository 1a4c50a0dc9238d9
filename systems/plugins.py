"""Kinds that installed distributions outside this repository add, by entry point.

A distribution names an object of a group in its ``pyproject.toml``::

    [project.entry-points."msgen.systems"]
    my_kind = "my_package.kinds:MY_KIND"

Nothing of it is imported before a campaign asks for ``my_kind``, so that a broken plug-in stops
only the campaigns that need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from msgen.systems.errors import first_line

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """One entry point of an installed distribution.

    Attributes
    ----------
    group, name : str
        What it adds to, and by which name campaigns ask for it.
    distribution, version : str
        Who brings it.
    """

    group: str
    name: str
    distribution: str
    version: str
    _entry: EntryPoint

    def __str__(self) -> str:
        return f"{self.group}: {self.name} of {self.brought_by}"

    @property
    def brought_by(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}"

    @property
    def module(self) -> str:
        """The module that holds the object, as ``package.module``."""
        return self._entry.module

    def load(self, expected: type[T]) -> T:
        """Import the object.

        Raises
        ------
        PluginError
            If it cannot be imported, or is not an `expected`.
        """
        try:
            value = self._entry.load()
        except (Exception, SystemExit) as error:  # whatever a stranger's module does
            text = first_line(error)
            raise PluginError(
                self, f"{self._entry.value} cannot be imported ({type(error).__name__}: {text})"
            ) from error
        if not isinstance(value, expected):
            raise PluginError(
                self,
                f"{self._entry.value} is a {type(value).__name__}, not a {expected.__name__}",
            )
        return value


class PluginError(Exception):
    """A plug-in that cannot be used; the text names it and the distribution that brings it.

    Attributes
    ----------
    plugin : Plugin
    problem : str
        What is wrong with it, without a final full stop.
    """

    def __init__(self, plugin: Plugin, problem: str) -> None:
        self.plugin, self.problem = plugin, problem
        super().__init__(f"the plug-in {plugin} is broken: {problem}")


def found(group: str) -> tuple[Plugin, ...]:
    """The plug-ins of a group, by name and then by distribution; none of them is imported."""
    plugins = []
    for entry in entry_points(group=group):
        by, version = ("?", "?") if entry.dist is None else (entry.dist.name, entry.dist.version)
        plugins.append(Plugin(group, entry.name, by, version, entry))
    return tuple(sorted(plugins, key=lambda p: (p.name, p.distribution)))


class Registry(Mapping[str, T]):
    """Kinds by name: our own, and then those of the plug-ins.

    A plug-in never takes the place of one of our own: campaigns go on meaning what they meant.

    Parameters
    ----------
    group : str
        The entry-point group, such as ``msgen.systems``.
    expected : type
        What every kind is an instance of.
    own : mapping
        The kinds of this repository.
    """

    def __init__(self, group: str, expected: type[T], own: Mapping[str, T]) -> None:
        self.group, self._expected, self.own = group, expected, own

    def plugin(self, name: str) -> Plugin | None:
        """The plug-in that brings `name`; None for our own and for what is unknown.

        Raises
        ------
        PluginError
            If two distributions bring it.
        """
        if name in self.own:
            return None
        plugins = [p for p in found(self.group) if p.name == name]
        if len(plugins) > 1:
            other = plugins[1]
            raise PluginError(
                plugins[0], f"{other.distribution} {other.version} brings {name} as well"
            )
        return plugins[0] if plugins else None

    def __getitem__(self, name: str) -> T:
        """The kind of this name.

        Raises
        ------
        KeyError
            If nobody brings it.
        PluginError
        """
        if name in self.own:
            return self.own[name]
        plugin = self.plugin(name)
        if plugin is None:
            raise KeyError(name)
        kind = plugin.load(self._expected)
        if (own := getattr(kind, "name", name)) != name:
            raise PluginError(plugin, f"its kind calls itself {own!r}")
        return kind

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from dict.fromkeys(p.name for p in found(self.group) if p.name not in self.own)

    def __len__(self) -> int:
        return sum(1 for _ in self)
