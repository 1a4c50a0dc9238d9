"""What may be done about a criterion of convergence that is not met."""

from __future__ import annotations

import re

_LONGER = "more rounds (a larger budget)"
_REMEDIES = tuple(
    (re.compile(pattern), remedy)
    for pattern, remedy in (
        (r"nothing counts yet", f"{_LONGER}: the campaign still learns"),
        (r"split R̂|effective samples", f"{_LONGER}; where it stays, a CV for what is slow"),
        (r"disagree|replicas .* differ", f"{_LONGER}; where it stays, a CV for what differs"),
        (r"error unknown|no bin below", f"{_LONGER}, fewer bins, or a lower converge.below"),
        (r"surface.* below .* error", f"{_LONGER}, fewer bins, or a larger converge.surface_error"),
        (r": error ", f"{_LONGER}, or a larger converge.state_error"),
        (r"exchanges accepted", "more temperatures between these two"),
        (r"between the lowest and highest temp", f"{_LONGER}, or more temperatures"),
        (r"between the ends of the windows", f"{_LONGER}, more windows, or seeds: model"),
        (r"overlap of forward and reverse", "longer paths (strategy.path.steps), states between"),
        (r"tail of the weights", f"{_LONGER}, a larger strategy.broad, or another model:"),
        (r"have not forgotten", _LONGER),
        (r"hardly anything is drawn", "another model:, or more rounds to learn from"),
        (r"never (found|left|re-entered)|left \d+ times|no works join|: there is no difference",
         f"{_LONGER}, or another start or CV by which the states are reached"),
        (r"round trips", f"{_LONGER}, or more replicas"),
        (r"overlap", "more windows, or wider ones"),
    )
)  # fmt: skip


def remedy(unmet: str) -> str | None:
    """What may help against a reason that a criterion gave; None where it names one itself."""
    return next((what for pattern, what in _REMEDIES if pattern.search(unmet)), None)


def with_remedy(unmet: str) -> str:
    """The reason, and what may help."""
    helps = remedy(unmet)
    return unmet if helps is None else f"{unmet}: {helps}"
