"""Which strategy has the next turn, and whose result is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgen.orchestrator.reporting.words import count

OVERTAKES = 0.8
"""Share of what the chosen strategy is projected to need, below which another one is chosen."""


@dataclass(frozen=True)
class Standing:
    """How far a strategy is.

    Attributes
    ----------
    spent : int
        Energy evaluations so far.
    to_go : float
        That it is projected to need until it has converged.
    counts : bool
        Whether that rests on its own data.
    trial : float
        Energy evaluations until it does, at the least.
    """

    spent: int
    to_go: float
    counts: bool
    trial: float


@dataclass(frozen=True)
class Choice:
    """Who goes on.

    Attributes
    ----------
    chosen : str
        Whose result is told.
    turn : str
        Whose the next round is.
    why : str
        In words.
    """

    chosen: str
    turn: str
    why: str


def choose(each: Mapping[str, Standing], chosen: str, share: float) -> Choice:
    """The strategy with the fewest energy evaluations to go.

    One that counts is overtaken by another that counts, if that needs clearly less. One that does
    not count yet promises what its plan says at the least; where that is less, it has a trial, as
    long as trials take no more than a share of what the chosen one is expected to spend in all.

    Parameters
    ----------
    each : Mapping of str to Standing
        In the order in which equals are taken.
    chosen : str
        The one so far, '' for none.
    share : float
    """
    counting = {name: one for name, one in each.items() if one.counts}
    if not counting:
        turn = _best(each, chosen)
        told = turn if each[turn].spent or not chosen else chosen
        return Choice(told, turn, f"tried first, {_promise(each[told])}")
    best = _best(counting, chosen)
    leader = counting[best]
    apart = sum(one.spent for one in each.values()) - leader.spent
    allowed = share * (leader.spent + leader.to_go)
    rivals = [
        name
        for name, one in each.items()
        if not one.counts and one.to_go < leader.to_go and apart + one.trial <= allowed
    ]
    turn = min(rivals, key=lambda name: each[name].to_go, default=best)
    return Choice(best, turn, _why(best, each))


def _best(each: Mapping[str, Standing], chosen: str) -> str:
    """The one with the least to go, and `chosen` where none has clearly less."""
    best = min(each, key=lambda name: each[name].to_go)
    kept = chosen in each and each[best].to_go >= OVERTAKES * each[chosen].to_go
    return chosen if kept else best


def _promise(one: Standing) -> str:
    return f"may converge after {count(round(one.spent + one.to_go))} energy evaluations"


def _why(best: str, each: Mapping[str, Standing]) -> str:
    """One line: what it needs, what others would, and which were not tried."""
    leader = each[best]
    if not leader.to_go:
        return f"converged after {count(leader.spent)} energy evaluations"
    said = f"about {count(round(leader.to_go))} more energy evaluations"
    others = {name: one for name, one in each.items() if name != best}
    tried = [f"{n} {count(round(o.to_go))}" for n, o in others.items() if o.spent and o.counts]
    begun = [name for name, one in others.items() if one.spent and not one.counts]
    never = [name for name, one in others.items() if not one.spent]
    parts = [said]
    if tried:
        parts.append(f"where {', '.join(tried)} would take")
    if begun:
        parts.append(f"still learning: {', '.join(begun)}")
    if never:
        parts.append(f"not tried so far: {', '.join(never)}")
    return "; ".join(parts)
