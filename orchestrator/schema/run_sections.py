"""How a campaign is run: its replicas, what it may use and spend, when it stops, what it writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from msgen.orchestrator.schema.quantities import (
    AutoShare,
    AutoSteps,
    AutoWall,
    FreeEnergy,
    Section,
    Share,
    Wall,
    problem,
)


def _whole(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise problem("is no whole number", "Write a number like 2.0e+7")
    if value != value or value in (float("inf"), float("-inf")) or value % 1:
        raise problem("is no whole number", "Write a number like 2.0e+7")
    return int(value)


Count = Annotated[int, BeforeValidator(_whole), Field(ge=1)]


class ReplicaRange(Section):
    """Replicas that follow the workers: more while convergence is late and workers are idle."""

    tag: ClassVar[str] = "range"

    min: Annotated[int, Field(ge=1, le=100_000)]
    """Replicas to begin with; never fewer."""
    max: Annotated[int, Field(ge=1, le=100_000)]
    """Never more."""
    within: Wall | None = None
    """Convergence wanted within this time; left out: `budget.wall`, or as soon as can be."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise problem(f"min is {self.min}, max is {self.max}", "Let min be at most max")
        return self


Replicas = Annotated[
    Annotated[int, Field(ge=1, le=100_000), Tag("number")]
    | Annotated[ReplicaRange, Tag(ReplicaRange.tag)],
    Discriminator(lambda v: "range" if isinstance(v, dict | ReplicaRange) else "number"),
]


class Resources(Section):
    """What the campaign may use of the machine or the cluster."""

    workers: AutoSteps = "auto"
    """auto: one per `cpus_per_worker` CPUs found."""
    cpus_per_worker: int = Field(default=1, ge=1)
    trainer_gpus: Literal["auto"] | Annotated[float, Field(ge=0, allow_inf_nan=False)] = "auto"
    """auto: one where Ray sees one, half of it where the samplers need GPUs too; 0: the CPU."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch, OpenMM and BLAS in one worker."""
    deadline: AutoWall = "auto"
    """When a worker that says nothing is given up and its work done elsewhere; auto: after ten
    times the slowest piece of work of that kind so far, and a minute at least."""


class Converge(Section):
    """When to stop: all of these hold."""

    state_error: FreeEnergy = 0.1
    """Largest standard error of any state's free energy."""
    surface_error: FreeEnergy = 0.2
    """Largest standard error of the surface below `below`."""
    below: FreeEnergy = 8.0
    """Height up to which the surface counts."""
    r_hat: float = Field(default=1.05, gt=1, allow_inf_nan=False)
    """Split R̂ of every CV at most."""
    round_trips: int = Field(default=10, ge=1)
    """Round trips between the states, where one chain runs over all of them."""
    ess: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    """Effective sample size at least."""
    overlap: float = Field(default=0.03, gt=0, lt=1)
    """Overlap of forward and reverse work at least, for every pair of states used."""
    hidden: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = 0.2
    """Share of the variance of anything watched beside the CVs that may lie between replicas of a
    state, and works that differ between replicas by `state_error`; null: not looked at."""
    unseen: AutoShare | None = "auto"
    """Share of probes, at 95 %, that basins may catch which nobody has seen; auto: it is told, and
    5 % are aimed at as far as `probes` pays for it; null: no probes are made."""
    probes: Share = 0.1
    """Share of the evaluations for probes, which throw walkers about without model or bias and look
    whether they come to rest where production has been."""

    @field_validator("unseen", "probes", mode="before")
    @classmethod
    def _none_is_null(cls, value: object) -> object:
        if value == 0 and not isinstance(value, bool):
            raise problem("leaves nothing to go by", "Write `unseen: null` for no probes at all")
        return value


class Budget(Section):
    """What the campaign may spend."""

    energy_evaluations: Count = 20_000_000
    """Energy (or energy and force) evaluations of one configuration."""
    wall: Wall | None = None
    """Wall-clock time of this call."""
    rounds: Count | None = None


class Output(Section):
    """What is written, and where."""

    directory: str = Field(default="runs", min_length=1)
    """Run directories lie below it, each named after its campaign."""
    trajectory: Literal["none", "dcd"] = "none"
    """dcd: molecules only."""
    tensorboard: bool = True
    stride: AutoSteps = "auto"
    """Local steps between stored samples; auto: 50, for mala 10, for hmc 1."""
    walkers: Literal["auto", "inline", "files"] = "auto"
    """files: written by the workers, below the run directory; auto: from 10,000 atoms on."""
