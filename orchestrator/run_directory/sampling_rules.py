"""What was mended in how campaigns sample, and which runs began before it.

Samples of two rules do not belong in one estimate, so a run that a mend touches is refused by name;
one that none touches goes on, and is from then on known by the rules of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.base import Mend
from msgen.orchestrator.strategies.common.configuration_rules import angular_coordinate
from msgen.orchestrator.strategies.registry import KINDS


class OtherRulesError(RunDirectoryError):
    """Begun by a msgen that samples this campaign otherwise."""


def _on_angles(campaign: Campaign, platform: str | None) -> bool:
    return angular_coordinate(campaign) is not None


def _rigid_ghmc(campaign: Campaign, platform: str | None) -> bool:
    # rigid bonds and sites come from files, which are not read here
    return campaign.system.kind == "openmm" and campaign.strategy.local.kind == "ghmc"


def _off_reference(campaign: Campaign, platform: str | None) -> bool:
    return platform not in (None, "Reference")


def _atoms_in_batches(campaign: Campaign, platform: str | None) -> bool:
    return campaign.has_atoms and campaign.batched


def _goes_round(campaign: Campaign, platform: str | None) -> bool:
    # a function of one's own is not called here: what repeats is told by its CV
    return not campaign.has_atoms and any(cv.is_periodic for cv in campaign.cvs.values())


COMMON: tuple[Mend, ...] = (
    Mend(
        "angles",
        "a coordinate that is an angle was handed on raw, in whichever turn it stood",
        _on_angles,
    ),
    Mend(
        "rigid-ghmc",
        "GHMC of rigid bonds was too cold, and of virtual sites tested a wrong energy",
        _rigid_ghmc,
    ),
    Mend(
        "noise",
        "every order drew the same noise from OpenMM, except on its Reference platform",
        _off_reference,
    ),
    Mend(
        "turning-atoms",
        "atoms that our own kernels step were given masses and probes by axes that turn with them",
        _atoms_in_batches,
    ),
    Mend(
        "unbounded-coordinates",
        "a coordinate that repeats, or that nothing confines, was given the mass of a spread that "
        "grew for ever, and was watched as if it had an equilibrium",
        _goes_round,
    ),
)
"""Those that do not belong to one strategy."""


def known(campaign: Campaign) -> list[str]:
    """Keys of the mends that a run of this campaign is known by from now on."""
    of_strategies = [mend for kind in KINDS.own.values() for mend in kind.mends]
    own = KINDS[campaign.strategy.kind].mends
    return list(dict.fromkeys(mend.key for mend in (*COMMON, *of_strategies, *own)))


def touching(recorded: Mapping[str, Any], campaign: Campaign, platform: str | None) -> list[Mend]:
    """The mends that came after the run with these records, and that touch it.

    Parameters
    ----------
    recorded : mapping
        What ``provenance.json`` holds; without 'rules' the run was begun before any mend.
    campaign : Campaign
    platform : str or None
    """
    before = recorded.get("rules", ())
    mends = (*COMMON, *KINDS[campaign.strategy.kind].mends)
    mine = [m for m in mends if m.key not in before and m.touches(campaign, platform)]
    inside = campaign.strategy.nested(campaign).values()
    more = [m for one in inside for m in touching(recorded, one, platform)]
    return list(dict.fromkeys([*mine, *more]))


def admit(
    recorded: Mapping[str, Any], campaign: Campaign, platform: str | None, run_dir: Path
) -> None:
    """Let a run go on, or say what was mended since it began.

    Raises
    ------
    OtherRulesError
        If a mend touches it, or it knows mends that this msgen does not.
    """
    writer = recorded.get("versions", {}).get("msgen", "unknown")
    if set(recorded.get("rules", ())) - set(known(campaign)):
        raise OtherRulesError(
            f"{run_dir}: begun by a later msgen ({writer}), which samples by rules that this one "
            "does not have. Go on with that version. Nothing was changed"
        )
    found = touching(recorded, campaign, platform)
    if not found:
        return
    what = "; ".join(mend.about for mend in found)
    raise OtherRulesError(
        f"{run_dir}: begun by msgen {writer}, before it was mended that {what}. Samples from "
        f"before and after do not belong in one estimate. Begin anew under another --output-dir, "
        f"or finish this run with the msgen that began it. Nothing was changed"
    )
