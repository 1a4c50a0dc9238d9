"""What is kept of the strategies that are tried."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from msgen.actors.base import OrderKey, Segment, Tree
from msgen.orchestrator.convergence.looks import Looks


@dataclass(frozen=True)
class LateFit:
    """A fit that came back while another strategy had its turn.

    Attributes
    ----------
    due : int
        The strategy's own round that absorbs it.
    key : OrderKey
        In that strategy's own rounds.
    carry : Tree
    counts : dict of str to float
    version : int
        Its own, of the model that the fit began with.
    """

    due: int
    key: OrderKey
    carry: Tree
    counts: dict[str, float]
    version: int

    @classmethod
    def of(cls, segment: Segment, due: int) -> LateFit:
        """What came back, as its strategy knows it."""
        counts = dict(segment.counts)
        return cls(due, segment.key, dict(segment.carry), counts, segment.model_version)

    @property
    def segment(self) -> Segment:
        """The same, to be absorbed."""
        return Segment(self.key, carry=self.carry, counts=self.counts, model_version=self.version)


@dataclass(frozen=True)
class Course:
    """One strategy, as far as it has come.

    Attributes
    ----------
    state : Tree
        Its own, encoded.
    round : int
        Of its own, the one that comes next.
    spent : int
        Energy evaluations so far.
    given : int
        Those of another strategy's search for states, which it would have made alike.
    before, looks : Looks
        At its production, without the last one and with it.
    last : int
        Energy evaluations of its last round.
    to_go : float
        Energy evaluations that it is projected to need until it has converged.
    counts : bool
        Whether anything counts yet, so that the projection rests on its own data.
    sound : bool
        Whether all holds that `converge:` asks but for the size of the errors.
    fits : tuple of LateFit
    """

    state: Tree
    round: int = 0
    spent: int = 0
    given: int = 0
    before: Looks = field(default_factory=Looks)
    looks: Looks = field(default_factory=Looks)
    last: int = 0
    to_go: float = 0.0
    counts: bool = False
    sound: bool = False
    fits: tuple[LateFit, ...] = ()

    def with_late(self, segment: Segment, lag: int) -> Course:
        """With a fit of its last round, that it absorbs `lag` rounds after that."""
        fit = LateFit.of(segment, self.round - 1 + lag)
        spent = self.spent + segment.evaluations
        return replace(self, fits=(*self.fits, fit), spent=spent)


@dataclass(frozen=True)
class AutoState:
    """All strategies that have had a turn.

    Attributes
    ----------
    round : int
        The campaign's, the one that comes next.
    turn : str
        Whose it is.
    chosen : str
        Whose result is told; '' before the first round.
    why : str
        In words, as it was when it was chosen.
    courses : dict of str to Course
        By the strategies' names.
    """

    round: int
    turn: str
    chosen: str = ""
    why: str = ""
    courses: dict[str, Course] = field(default_factory=dict)
