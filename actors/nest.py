"""Orders of several strategies in one campaign, told apart by their kinds and model versions.

A strategy that runs others inside itself hands their orders on under names of their own: kind
``steered.sample`` for ``sample`` of ``steered``, and model versions of which no two strategies have
one in common. So their random streams, keyed by the kind, their arrays in the store and their
models never meet, and a worker does each with the settings of its own strategy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgen.actors.base import Segment, WorkOrder


@dataclass(frozen=True)
class Nest:
    """The strategies inside a campaign's own.

    Attributes
    ----------
    names : tuple of str
    """

    names: tuple[str, ...]

    def name_of(self, kind: str) -> str:
        """The strategy that an order kind is of; '' for none of them."""
        return kind.rpartition(".")[0]

    def handed_on(self, name: str, order: WorkOrder, rnd: int) -> WorkOrder:
        """An order of strategy `name` as one of the campaign's round `rnd`."""
        version = self.version(name, order.model_version)
        return replace(order, round=rnd, kind=f"{name}.{order.kind}", model_version=version)

    def taken_back(self, segment: Segment, rnd: int) -> Segment:
        """What came back of it, as the strategy knows it, in its own round `rnd`."""
        _, kind, replica = segment.key
        key = (rnd, kind.rpartition(".")[2], replica)
        return replace(segment, key=key, model_version=self.inner(segment.model_version)[1])

    def version(self, name: str, version: int) -> int:
        """A model version of strategy `name`, as the campaign counts them; −1 stays."""
        if version < 0:
            return version
        return version * len(self.names) + self.names.index(name)

    def inner(self, version: int) -> tuple[str, int]:
        """The strategy that a version is of, '' for −1, and which of its own it is."""
        if version < 0:
            return "", version
        return self.names[version % len(self.names)], version // len(self.names)
