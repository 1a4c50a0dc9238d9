"""The section of a strategy that begins with an exact run: a finished one, or one that it makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from msgen.orchestrator.schema.problems import Path as Where
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.strategies.base import StrategySection
from msgen.orchestrator.strategies.common.configuration_rules import covered
from msgen.orchestrator.strategies.common.nested import FIELD, FreeEnergies, nested_tree, placed

if TYPE_CHECKING:
    from msgen.orchestrator.forecast import Least
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun
    from msgen.systems.base import CVSet, System


class ExactFirst(StrategySection):
    """A strategy whose states, starts and free energies come from an exact run."""

    borrows_free_energies: ClassVar[bool] = True

    free_energies: FreeEnergies
    """Run directory of a finished campaign of the same system, CVs and states: exact samples to
    begin in, and the free energies that weigh them; relative to this file. Or an exact strategy,
    which then runs first: its section, with `replicas` and `model` of its own."""

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        named = self.free_energies
        section = None
        if isinstance(named, dict):
            section = campaign.strategy_sections().get(named["kind"])
        if isinstance(named, dict) and section is not None and section.borrows_free_energies:
            what = "begins with a run itself, and tells no free energy of its own"
            yield Problem((*FIELD, "kind"), named["kind"], what, "Take an exact one, like steered")

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        first = self.first(campaign)
        nested = [] if first is None else first.strategy.checks(first, base_dir, system, cvs)
        found = self.placed(nested)
        if campaign.has_atoms or isinstance(self.free_energies, str):
            return found
        if covered(campaign, system.n_dof) is None:
            what = "keeps no configurations of an analytic system but by its CVs"
            remedy = "Let every coordinate be a CV, or name the run directory of a campaign where "
            found.append(Problem(FIELD, self.free_energies["kind"], what, f"{remedy}it is"))
        return found

    @property
    def begins_with(self) -> tuple[Where, str] | None:
        named = self.free_energies
        return (FIELD, named) if isinstance(named, str) else None

    def first(self, campaign: Campaign) -> Campaign | None:
        if isinstance(self.free_energies, str):
            return None
        return type(campaign).parse(nested_tree(campaign, self.free_energies))

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        return placed(problems)

    def after_first(self, campaign: Campaign, run_dir: Path) -> Campaign:
        tree = campaign.to_dict()
        return type(campaign).parse(
            {**tree, "strategy": {**tree["strategy"], "free_energies": str(run_dir)}}
        )

    def admit(self, campaign: Campaign, run: FinishedRun, system: System) -> None:
        from msgen.orchestrator.strategies.common.exact_run import exact_of  # numpy comes with it

        exact_of(run, campaign, system.n_dof)

    def search_evaluations(self, campaign: Campaign) -> int:
        """Those of the exact strategy, where it runs first."""
        return 0 if (least := self.nested_least(campaign)) is None else least.first_estimate

    def rounds_before(self, campaign: Campaign) -> int:
        """Rounds of the exact strategy where it runs first; its production may be a single one."""
        least = self.nested_least(campaign)
        return 0 if least is None else least.rounds - least.production + 1

    def nested_least(self, campaign: Campaign) -> Least | None:
        """What the exact strategy takes at the least; None where it does not run first."""
        from msgen.orchestrator.forecast import Least

        first = self.first(campaign)
        return None if first is None else Least.of(first)
