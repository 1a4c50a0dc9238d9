"""What was mended in how campaigns sample, and which runs began before it.

Samples of two rules do not belong in one estimate, so a run that a mend touches is refused by name;
one that none touches goes on, and is from then on known by the rules of today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.common.configuration_rules import angular_coordinate


class OtherRulesError(RunDirectoryError):
    """Begun by a msgen that samples this campaign otherwise."""


@dataclass(frozen=True)
class Mend:
    """One change of what a campaign samples.

    Attributes
    ----------
    about : str
        What was wrong, to complete "begun before it was mended that …".
    touches : callable
        From the campaign and the OpenMM platform that it runs on (None: no platform) to whether
        its samples are others since.
    """

    about: str
    touches: Callable[[Campaign, str | None], bool]


def _umbrella(campaign: Campaign, platform: str | None) -> bool:
    return campaign.strategy.kind == "umbrella"


def _on_angles(campaign: Campaign, platform: str | None) -> bool:
    return angular_coordinate(campaign) is not None


def _solute(campaign: Campaign, platform: str | None) -> bool:
    solute = getattr(campaign.strategy, "solute", None) is not None
    return campaign.strategy.kind == "flow_mcmc" and solute and campaign.has_atoms


def _steered_angles(campaign: Campaign, platform: str | None) -> bool:
    angles = any(cv.is_periodic for cv in campaign.cvs.values())
    return campaign.strategy.kind == "steered" and angles


def _molecular_flow(campaign: Campaign, platform: str | None) -> bool:
    whole = getattr(campaign.strategy, "solute", None) is None
    return campaign.strategy.kind == "flow_mcmc" and whole and campaign.has_atoms


def _rigid_ghmc(campaign: Campaign, platform: str | None) -> bool:
    # rigid bonds and sites come from files, which are not read here
    return campaign.system.kind == "openmm" and campaign.strategy.local.kind == "ghmc"


def _off_reference(campaign: Campaign, platform: str | None) -> bool:
    return platform not in (None, "Reference")


MENDS: tuple[Mend, ...] = (
    Mend(
        "a window's conditional model was fitted on CVs of a later block of its walkers",
        _umbrella,
    ),
    Mend("a coordinate that is an angle was handed on raw, in whichever turn it stood", _on_angles),
    Mend("walkers of a solute were begun without the box of their system", _solute),
    Mend("the mass of a narrow restraint on an angle was approximated", _steered_angles),
    Mend("independence moves of a molecule reached other isomers of it", _molecular_flow),
    Mend(
        "GHMC of rigid bonds was too cold, and of virtual sites tested a wrong energy", _rigid_ghmc
    ),
    Mend(
        "every order drew the same noise from OpenMM, except on its Reference platform",
        _off_reference,
    ),
)
"""In the order in which they were made: a run records how many of them it was begun with."""


def touching(
    recorded: Mapping[str, Any],
    campaign: Campaign,
    platform: str | None,
    mends: Sequence[Mend],
) -> list[Mend]:
    """The mends that came after the run with these records, and that touch it.

    Parameters
    ----------
    recorded : mapping
        What ``provenance.json`` holds; without 'rules' the run was begun before any mend.
    campaign : Campaign
    platform : str or None
    mends : sequence of Mend
    """
    begun_with = int(recorded.get("rules", 0))
    return [mend for mend in mends[begun_with:] if mend.touches(campaign, platform)]


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
    if int(recorded.get("rules", 0)) > len(MENDS):
        raise OtherRulesError(
            f"{run_dir}: begun by a later msgen ({writer}), which samples by rules that this one "
            "does not have. Go on with that version. Nothing was changed"
        )
    found = touching(recorded, campaign, platform, MENDS)
    if not found:
        return
    what = "; ".join(mend.about for mend in found)
    raise OtherRulesError(
        f"{run_dir}: begun by msgen {writer}, before it was mended that {what}. Samples from "
        f"before and after do not belong in one estimate. Begin anew under another --output-dir, "
        f"or finish this run with the msgen that began it. Nothing was changed"
    )
