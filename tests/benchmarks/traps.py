"""Whether `converged` is ever said wrongly: campaigns with something that goes unnoticed easily.

`make bench NAME=traps [ARGS=TRIAL[:SEEDS]…]`: families of systems with exact answers, each by every
strategy that can be tried. A TRIAL is TRAP-STRATEGY or TRAP, `issue` those that were seen to be
wrong, `list` tells them all. What a campaign gave is kept and a second call goes on (see
trials.py); TRIALS_WORKERS=… processes run at a time; TRIALS_KEPT=only tells what is kept.
"""

from __future__ import annotations

import sys

from rows import publish
from traps_cases import axes, hidden, mixtures, molecules, rooms, surfaces, wells
from traps_cases.base import Trap
from traps_cases.tally import Tally, lines, summary, trial_rows
from trials import Trial, named, run_all

ISSUE = (mixtures, hidden, wells, rooms, surfaces, molecules)
"""With rows that were seen to be wrong, cheapest first."""
MORE = (mixtures, hidden, axes, wells, rooms, molecules)


def traps() -> list[Trap]:
    """All of them, in the order in which they are run."""
    first = [trap for family in ISSUE for trap in family.issue_rows()]
    return first + [trap for family in MORE for trap in family.traps()]


def chosen(asked: list[str]) -> list[tuple[Trap, Trial, range]]:
    """What the arguments name, with its seeds; all where there are none."""
    words, seeds = named(asked)
    names = set(words)
    issue = {trap.name for family in ISSUE for trap in family.issue_rows()}
    known, found = {"issue"}, []
    for trap in traps():
        groups = {trap.name, *(["issue"] if trap.name in issue else [])}
        of_trials = {trap.named(strategy) for strategy in trap.strategies}
        known |= groups | of_trials
        if names and not names & (groups | of_trials):
            continue  # its truth may be a quadrature
        for name, trial in trap.trials().items():
            mine = sorted(names & {name, *groups}, key=len, reverse=True)
            if mine or not names:
                given = [seeds[m] for m in mine if m in seeds]
                found.append((trap, trial, range(1, 1 + (given[0] if given else trap.seeds))))
    if unknown := names - known:
        sys.exit(f"no such trial: {', '.join(sorted(unknown))}; `list` tells them all")
    return found


def main(asked: list[str]) -> None:
    """Run what is asked for, print the table."""
    if asked == ["list"]:
        for trap in traps():
            print(f"{trap.name:<20} {trap.seeds:>3} seeds, {', '.join(trap.strategies)}: "
                  f"{trap.what}")  # fmt: skip
        return
    wanted = chosen(asked)
    seeds = {trial.name: s for _, trial, s in wanted}
    ended = list(run_all("traps", [trial for _, trial, _ in wanted], seeds))
    tallies = [
        Tally(trap, trial, mine)
        for trap, trial, _ in wanted
        if (mine := sorted((e for e in ended if e.trial == trial.name), key=lambda e: e.seed))
    ]
    if not tallies:
        sys.exit("nothing is kept of these")
    print("\n".join(lines(tallies)), end="\n\n")
    publish("traps", [row for t in tallies for row in trial_rows(t)] + summary(tallies))


if __name__ == "__main__":
    main(sys.argv[1:])
