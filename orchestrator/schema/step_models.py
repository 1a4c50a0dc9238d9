"""The `model:` section of models of steps."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.models import Fitted, Learns
from msgen.orchestrator.schema.quantities import AutoSteps, Length


class StepDiffusion(Fitted):
    """Diffusion model of a molecule's step of one stride, by message passing; no density."""

    learns: ClassVar[Learns] = "steps"
    kind: Literal["step_diffusion"]
    atoms: Literal["all", "heavy"] = "all"
    """heavy leaves hydrogens out; an atom's type then says how many it has."""
    solute: list[int | str] | str = "auto"
    """The atoms that are learnt and rolled out, a list or an mdtraj selection; the simulator runs
    with all. auto: all but water and ions."""
    types: Literal["element", "name"] = "element"
    """What the network knows an atom by; name is residue and atom, as of this molecule alone."""
    width: int = Field(default=64, ge=8, multiple_of=2)
    """Of the network; 200 as published."""
    layers: int = Field(default=4, ge=1)
    """Of messages between atoms; 5 as published."""
    cutoff: Length = 0.4
    """Atoms that are nearer than this in the structure that a step begins at hear each other."""
    symmetry: Literal["equivariant", "turned"] = "equivariant"
    """equivariant: steps turn with the structure; turned: every structure is turned at random
    instead, as published."""
    turning: Literal["aligned", "free"] = "aligned"
    """aligned: steps are changes of shape, rotations taken out; free: they hold the rotation."""
    scale: float = Field(default=2.0, gt=0)
    """What displacements in Å are multiplied by before they are noised."""
    predicts: Literal["velocity", "noise"] = "velocity"
    """What the network makes; noise as published, which needs many times the updates."""
    even: Literal["log_snr", "time"] = "log_snr"
    """What the noise levels of the fit are even in: ln(SNR), or the time of diffusion."""
    steps: int = Field(default=8, ge=1, le=999)
    """Of DPM-Solver-3 from noise to a step; each asks the network three times."""
    past: int = Field(default=1, ge=1, le=4)
    """Frames that a step is drawn by, that where it begins among them: more than one where
    positions remember, as at low friction."""
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    """Peak rate of RAdam, warmed up and then lowered."""
    batch: int = Field(default=64, ge=1)
    """Pairs per update."""
    epochs: AutoSteps = "auto"
    """Most times that all pairs are seen in one fit; auto: 20,000 updates."""
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the running mean of the weights; 0 is off."""
