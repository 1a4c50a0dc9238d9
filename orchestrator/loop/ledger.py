"""What the controller keeps between rounds, and how it looks in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from msgen.actors.base import Segment, Tree, WorkOrder, bare, decode, encode
from msgen.actors.orders.ahead import VERSIONS
from msgen.actors.orders.probe import ProbePayload
from msgen.orchestrator.base import Cost, Phase, StepPlan
from msgen.orchestrator.convergence.looks import Looks


@dataclass(frozen=True)
class RoundRecord:
    """What a `RoundInfo` needs of a round besides its samples."""

    phase: Phase = "explore"
    counts: dict[str, float] = field(default_factory=dict)
    evaluations: int = 0
    replicas: int = 0
    orders: int = 0
    model_version: int = -1
    model_loss: float | None = None

    def after(self, plan: StepPlan, segments: Sequence[Segment], replicas: int) -> RoundRecord:
        """The record of the round that follows this one, in which `replicas` sampled."""
        counts: dict[str, float] = {}
        loss = self.model_loss
        for segment in segments:
            if segment.is_fit:
                loss = segment.counts.get("held_out_loss", loss)
                continue
            for name, value in segment.counts.items():
                full = f"{segment.key[1]}/{name}"
                counts[full] = counts.get(full, 0.0) + value
        return RoundRecord(
            phase=plan.phase,
            counts=counts,
            evaluations=sum(segment.evaluations for segment in segments),
            replicas=replicas,
            orders=len(plan.orders),
            # what goes ahead in a search proposes nothing
            model_version=max(
                (o.model_version for o in plan.orders if o.model_version < VERSIONS), default=-1
            ),
            model_loss=loss,
        )


@dataclass
class Ledger:
    """Everything that the next round follows from.

    Attributes
    ----------
    round : int
        The last committed round, −1 before the first.
    strategy : Tree
        The strategy's own state, encoded.
    pending : list of (round, WorkOrder)
        Fits under way and the round that absorbs them.
    models : dict of int to Tree
        The versions that pending fits need.
    cost : Cost
    last : RoundRecord
    looks : Looks
        At the rounds before the last one, whose own follows from this ledger.
    """

    strategy: Tree
    round: int = -1
    pending: list[tuple[int, WorkOrder]] = field(default_factory=list)
    models: dict[int, Tree] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    last: RoundRecord = field(default_factory=RoundRecord)
    looks: Looks = field(default_factory=Looks)

    def to_tree(self) -> Tree:
        """For `msgen.orchestrator.run_directory.tree_file`."""
        return {
            "round": self.round,
            "strategy": self.strategy,
            "pending": [{"due": due, "order": _fields(order)} for due, order in self.pending],
            "models": {str(version): model for version, model in self.models.items()},
            "cost": asdict(self.cost),
            "last": asdict(self.last),
            "looks": encode(self.looks),
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> Ledger:
        """The inverse of `to_tree`."""
        return cls(
            strategy=tree["strategy"],
            round=tree["round"],
            pending=[(entry["due"], WorkOrder(**entry["order"])) for entry in tree["pending"]],
            models={int(version): model for version, model in tree["models"].items()},
            cost=Cost(**tree["cost"]),
            last=RoundRecord(**tree["last"]),
            # a run of an earlier msgen has looked only once at a time
            looks=decode(Looks, tree["looks"]) if "looks" in tree else Looks(),
        )


def spend(cost: Cost, segments: Sequence[Segment]) -> Cost:
    """`cost` and one more round: its evaluations, and its seconds on workers and trainer."""
    return replace(
        cost,
        rounds=cost.rounds + 1,
        energy_evaluations=cost.energy_evaluations + sum(s.evaluations for s in segments),
        sampling_s=cost.sampling_s + sum(s.wall_s for s in segments if not s.is_fit),
        probe_evaluations=cost.probe_evaluations
        + sum(s.evaluations for s in segments if bare(s.key[1]) == ProbePayload.kind),
        training_s=cost.training_s + sum(s.wall_s for s in segments if s.is_fit),
    )


def _fields(order: WorkOrder) -> dict[str, Any]:
    # not asdict: it would copy every array of the payload; what was begun of it lies elsewhere
    return {one.name: getattr(order, one.name) for one in fields(order) if one.name != "begun"}
