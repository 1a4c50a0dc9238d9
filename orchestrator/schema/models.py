"""The `model:` section: the generative model that learns the CVs or the configurations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import AutoSteps, Section
from msgen.orchestrator.schema.targets import DW4, LJ13

if TYPE_CHECKING:
    from msgen.models.base import Json
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.base import ModelUse

Learns = Literal["density", "trajectories", "steps"]
Hidden = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class ModelSection(Section):
    """The `model:` section of one kind: its settings and their defaults, and what it can.

    The only place where settings are checked and have defaults. A plug-in derives from it, with a
    field ``kind: Literal["its_name"]``.
    """

    if TYPE_CHECKING:  # a field of each kind, at its own place among the others

        @property
        def kind(self) -> str: ...

    learns: ClassVar[Learns] = "density"
    """What it is a model of: a density that it tells, whole trajectories, or a molecule's steps;
    the section of these derives from `msgen.orchestrator.schema.step_models.StepDiffusion`."""
    angles: ClassVar[bool] = True
    """Whether it can hold periodic variables."""
    context: ClassVar[bool] = True
    """Whether it can hold a density for each value of a label."""
    on_energy: ClassVar[bool] = False
    """Whether it can be trained on an energy, as a `msgen.models.base.Reparametrised` can."""
    bijective: ClassVar[bool] = False
    """Whether it is a `msgen.models.base.Bijective`."""
    particles: ClassVar[bool] = False
    """Whether it takes its variables for coordinates of identical particles."""

    @property
    def exact(self) -> bool:
        """Whether it draws from the very density that it tells, as a Metropolis test needs."""
        return True

    def problems(self, campaign: Campaign, use: ModelUse) -> Iterator[Problem]:
        """What does not agree with the rest of the campaign, in the order of the file."""
        if use.exact and not self.exact:
            what = "draws from another density than it tells, and a Metropolis test needs it"
            yield Problem(("model", "kind"), self.kind, what, "Take spline_flow")

    def spec(self) -> dict[str, Json]:
        """All of it as a plain mapping, which workers build the model of."""
        return self.model_dump()


class Fitted(ModelSection):
    """What is said of the fit of a network."""

    learning_rate: float = Field(default=5e-3, gt=0, lt=1)
    """Peak rate, warmed up and then lowered."""
    batch: int = Field(default=256, ge=1)
    """Samples per update."""
    epochs: AutoSteps = "auto"
    """Most epochs of one fit; auto: by the number of updates."""
    patience: AutoSteps = "auto"
    """Epochs without a better held-out loss before a fit ends; auto: a quarter of epochs."""
    ema: float = Field(default=0.98, ge=0, lt=1)
    """Decay of the running mean of the weights; 0 is off."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Fits repeat bit for bit on the cpu only."""


class _Coupling(Fitted):
    on_energy: ClassVar[bool] = True
    bijective: ClassVar[bool] = True
    transforms: AutoSteps = "auto"
    """Layers; auto: 2 for two CVs one of which is an angle, else 4."""
    hidden: Hidden = Field(default_factory=lambda: [64, 64])
    """Width of every hidden layer."""
    transform: Literal["standardise", "whiten", "whiten_within"] = "standardise"
    """Of linear columns before the network sees them; whiten: turned to their principal axes;
    whiten_within: whitened by their covariance inside modes, found in the data."""


class SplineFlow(_Coupling):
    """Neural spline flow, circular where a CV is periodic."""

    kind: Literal["spline_flow"]
    bins: int = Field(default=8, ge=2, le=64)
    """Pieces of one spline."""


class RealNVP(_Coupling):
    """Affine coupling flow; for variables that are not periodic."""

    angles: ClassVar[bool] = False
    kind: Literal["realnvp"]


class CopulaFlow(Fitted):
    """Marginals by maps found without training, what ties them by affine couplings; no angles."""

    angles: ClassVar[bool] = False
    context: ClassVar[bool] = False
    bijective: ClassVar[bool] = True
    kind: Literal["copula_flow"]
    transforms: AutoSteps = "auto"
    """Coupling layers; auto: 4."""
    hidden: Hidden = Field(default_factory=lambda: [64, 64])
    """Width of every hidden layer."""
    bins: int = Field(default=32, ge=4, le=256)
    """Pieces of one map."""
    transform: Literal["auto", "standardise", "whiten"] = "auto"
    """Of the data first; auto: turned to their principal axes if that is the better description."""
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    """Peak rate, warmed up and then lowered."""
    patience: AutoSteps = 3
    """Epochs without a better held-out loss before a fit ends; auto: a quarter of epochs."""


class _Continuous(Fitted):
    bijective: ClassVar[bool] = True
    layers: int = Field(default=5, ge=2)
    """Of the dense network."""
    width: int = Field(default=96, ge=1)
    """Of every hidden layer."""
    steps: int = Field(default=16, ge=1)
    """From noise to a sample; the density told is that of these very steps."""
    transform: Literal["standardise", "whiten", "whiten_within"] = "standardise"
    """Of linear columns before the network sees them; whiten: turned to their principal axes;
    whiten_within: whitened by their covariance inside modes, found in the data."""


class CNF(_Continuous):
    """Continuous normalizing flow, fitted by maximum likelihood through its ODE."""

    kind: Literal["cnf"]
    layers: int = Field(default=4, ge=2)
    """Of the dense network."""
    width: int = Field(default=64, ge=1)
    """Of every hidden layer."""
    divergence: Literal["exact", "hutchinson"] = "exact"
    """Of the training loss; hutchinson: one random probe. The density told is always exact."""
    kinetic: float = Field(default=0.01, ge=0)
    """Weight of the squared velocity in the training loss, which keeps paths straight."""


class FlowMatching(_Continuous):
    """Continuous flow whose velocity is fitted to paths between noise and samples."""

    kind: Literal["flow_matching"]
    interpolant: Literal["linear", "trigonometric"] = "linear"
    """The paths."""
    coupling: Literal["independent", "optimal_transport"] = "independent"
    """Which noise meets which sample; optimal_transport: the nearest, within each batch."""
    batch: int = Field(default=512, ge=1)
    """Samples per update."""
    ema: float = Field(default=0.995, ge=0, lt=1)
    """Decay of the running mean of the weights; 0 is off."""

    def problems(self, campaign: Campaign, use: ModelUse) -> Iterator[Problem]:
        """Its noise must know of no label."""
        if self.coupling == "optimal_transport" and use.label in ("state", "window"):
            what = "would let the noise depend on the label, which its base density does not"
            yield Problem(("model", "coupling"), "optimal_transport", what, "Take independent")


class EquivariantFlow(Fitted):
    """Flow of identical particles: permutations, rotations and reflections change nothing."""

    angles: ClassVar[bool] = False
    context: ClassVar[bool] = False
    particles: ClassVar[bool] = True
    kind: Literal["equivariant_flow"]
    space: Literal[2, 3] = 3
    """Coordinates of one particle."""
    layers: int = Field(default=2, ge=1)
    """Hidden layers of the network that sees one pair of particles."""
    width: int = Field(default=32, ge=1)
    """Of every hidden layer."""
    steps: int = Field(default=4, ge=1)
    """From noise to a sample; the density told is that of these very steps."""
    refine: int = Field(default=0, ge=0)
    """Updates by maximum likelihood after the fit to paths; few, as each is dear."""
    learning_rate: float = Field(default=1e-2, gt=0, lt=1)
    """Peak rate, warmed up and then lowered."""
    ema: float = Field(default=0.995, ge=0, lt=1)
    """Decay of the running mean of the weights; 0 is off."""

    def problems(self, campaign: Campaign, use: ModelUse) -> Iterator[Problem]:
        """What it takes for particles must be particles, and all alike."""
        where, system = ("model", "kind"), campaign.system
        if use.variables == "solute":
            return
        if use.variables == "particles":
            if self.space != 3:
                what = "is not the dimension of atoms"
                yield Problem(("model", "space"), self.space, what, "Write 3")
            return
        if use.variables in ("cvs", "conditional"):
            what = f"takes its variables for particles, and {campaign.strategy.kind} may model CVs"
            remedy = f"Take strategy: {{kind: {_of_configurations(campaign)}}}"
            yield Problem(where, self.kind, what, remedy)
        elif not isinstance(system, DW4 | LJ13) and system.kind != "python":
            what = f"is for identical particles, which {system.kind} has not"
            yield Problem(where, self.kind, what, "Take spline_flow")
        elif isinstance(system, DW4 | LJ13) and system.spatial_dim != self.space:
            what = f"is not the dimension of the particles of {system.kind}"
            fits = system.spatial_dim > 1
            remedy = f"Write {system.spatial_dim}" if fits else "Take spline_flow"
            yield Problem(("model", "space"), self.space, what, remedy)


class KDE(ModelSection):
    """Kernel density estimate; nothing is trained."""

    context: ClassVar[bool] = False
    kind: Literal["kde"]
    kernels: int = Field(default=500, ge=1)
    """Most kernels that are kept."""


class Score(Fitted):
    """Score (diffusion) model: noise is added to the samples, a network learns the way back."""

    kind: Literal["score"]
    noise: Literal["edm", "vp", "ve"] = "edm"
    """Karras' process, or the variance-preserving or variance-exploding one; vp takes no angles."""
    layers: int = Field(default=8, ge=2)
    """Of the dense network."""
    width: int = Field(default=128, ge=1)
    """Of every hidden layer."""
    sampler: Literal["ode", "heun", "sde"] = "ode"
    """Only ode draws from the density that the model tells; heun and sde come close to it."""
    steps: AutoSteps = "auto"
    """From noise to a sample; auto: 16, 32 and 256 for ode, heun and sde."""
    churn: float = Field(default=0.0, ge=0)
    """Noise that heun adds back on its way."""
    unconditional: float = Field(default=0.0, ge=0, lt=1)
    """Fraction of the samples shown without their label; above 0 the label may be left out."""
    batch: int = Field(default=512, ge=1)
    """Samples per update."""
    ema: float = Field(default=0.995, ge=0, lt=1)
    """Decay of the running mean of the weights; 0 is off."""

    @property
    def exact(self) -> bool:
        """Of the ode only."""
        return self.sampler == "ode"

    def problems(self, campaign: Campaign, use: ModelUse) -> Iterator[Problem]:
        """Its noise, its sampler and its label."""
        circular = [name for name, cv in campaign.cvs.items() if cv.is_periodic]
        if self.noise == "vp" and use.variables == "cvs" and circular:
            what = f"cannot noise the periodic CV {circular[0]}"
            yield Problem(("model", "noise"), "vp", what, "Take edm or ve")
        if use.exact and not self.exact:
            what = "draws from another density than the model tells, and a Metropolis test needs it"
            yield Problem(("model", "sampler"), self.sampler, what, "Take ode")
        if self.churn and self.sampler != "heun":
            what = f"is noise that the sampler {self.sampler} does not add back"
            remedy = "Take sampler: heun, or leave it out"
            yield Problem(("model", "churn"), self.churn, what, remedy)
        if self.unconditional and use.label == "none":
            what = "has no meaning here: the model has no label"
            yield Problem(("model", "unconditional"), self.unconditional, what, "Leave it out")


def _of_configurations(campaign: Campaign) -> str:
    """The first strategy whose model has whole configurations."""
    own = campaign.strategy_sections().items()
    return next(name for name, section in own if section.models_configurations)
