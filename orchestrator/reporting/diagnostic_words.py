"""Diagnostics by their names, each with a line on what it means; keys are those of the JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from msgen.orchestrator.reporting.html_tables import value_text

ELSEWHERE = ("warnings", "probes.said")
"""What the report tells further up."""
WITHIN = "exact_run."
"""Before the diagnostics of the run that free energies are taken from, where this is another."""


@dataclass(frozen=True)
class Word:
    """What one diagnostic, or all of a pattern, is called.

    Attributes
    ----------
    key : str
        Dotted, as in ``diagnostics`` of `free_energy.json`; a ``*`` stands for any one name.
    name : str
        ``{}`` stands for the names that the stars matched.
    means : str
        One line.
    """

    key: str
    name: str
    means: str


@dataclass(frozen=True)
class Told:
    """One diagnostic of a run: its name, its value as text, and what it means."""

    name: str
    value: str
    means: str


WORDS = (
    Word("ess", "effective samples",
         "what the samples are worth, as if independent of each other: hundreds are wanted"),
    Word("ess.*", "effective samples, {}", "the same of one coordinate"),
    Word("r_hat", "R̂",
         "how much replicas differ, against how much each varies: 1 where they agree"),
    Word("r_hat.*", "R̂, {}", "the same of one coordinate"),
    Word("acceptance.local", "local moves accepted",
         "share of small steps that the Metropolis test took"),
    Word("acceptance.global", "global moves accepted",
         "share of the model's proposals that were taken; near 0 the model is too poor"),
    Word("acceptance.steered", "steered paths accepted",
         "mean chance of a path to be taken; refused ones count through their work"),
    Word("acceptance.exchange", "exchanges accepted",
         "share between neighbours; below 10 % more windows or temperatures are wanted"),
    Word("acceptance.shooting", "shots accepted", "share of trial paths that were taken"),
    Word("acceptance.within", "global moves accepted, inside a state", "expected share"),
    Word("acceptance.between", "global moves accepted, to another state", "expected share"),
    Word("acceptance.*", "{} moves accepted", "share that the Metropolis test took"),
    Word("round_trips", "round trips",
         "how often walkers went from one end, or state, to another and back: ten are wanted"),
    Word("overlap", "overlap", "how much two samples share, 0 to 1; below 0.03 no error is told"),
    Word("overlap.*", "overlap, {}", "how much the two share, 0 to 1; below 0.03 no error is told"),
    Word("paths", "paths", "steered paths whose work counts"),
    Word("broken_paths", "broken paths", "paths that came apart: refused, and counted"),
    Word("constraint_failures", "failed constraints", "paths whose constraints failed: refused"),
    Word("crossings", "crossings", "how often paths are expected to have changed the state"),
    Word("steps_per_path", "steps a path", "length of a switching path"),
    Word("evaluations_per_path", "evaluations a path", "its price"),
    Word("path_steps_per_crossing", "path steps a crossing", "what one change of state takes"),
    Word("path_evaluations_per_crossing", "evaluations a crossing",
         "what one change of state costs"),
    Word("refused_draws", "refused draws", "proposals that could not be placed"),
    Word("path.scheme", "scheme of paths", "how paths drive the CVs (strategy.path.scheme)"),
    Word("path.steps_per_unit", "path steps a unit",
         "steps in which a path moves by one width of the CVs"),
    Word("path.sigma", "width of the pull", "how closely a path holds the CVs, in their units"),
    Word("path.friction", "friction on paths", "1/ps, or in units of the potential"),
    Word("path.timestep", "timestep on paths", "ps, or in units of the potential"),
    Word("path.smooth", "smooth start and end of paths",
         "share of a path in which λ speeds up; 0 is none"),
    Word("path.cost", "evaluations a crossing, when tuned", "what tuning made smallest"),
    Word("hidden.differ", "slow beside the CVs",
         "what differs between replicas by more than chance though no CV shows it"),
    Word("hidden.coordinates", "candidates for a CV", "the coordinates among these"),
    Word("hidden.tests", "coordinates and works looked at",
         "how many tests for hidden slowness were made; chance is allowed for all of them"),
    Word("probes.made", "probes",
         "walkers thrown about and relaxed, to look for basins that nobody has been in"),
    Word("probes.missed", "basins missed", "found by probes and not sampled: none is wanted"),
    Word("probes.learnt", "basins learnt from probes", "found by probes and sampled since"),
    Word("probes.proposed", "probes where a model would go",
         "production never was there, and would have been if it weighed 1 %"),
    Word("probes.released", "probes that came away",
         "production never was there, and would have been if it weighed much"),
    Word("probes.unseen", "share of probes in unseen basins", "what was seen of them"),
    Word("probes.unseen_bound", "bound on that share",
         "at 95 %: what the number of probes leaves open"),
    Word("probes.left_out", "no probes", "why none was made"),
    Word("draws", "draws", "configurations drawn from the model and weighted"),
    Word("ess_per_draw", "effective share of draws", "1 where the model is perfect"),
    Word("largest_weight", "largest weight",
         "share of all weight on one configuration; a tenth is much"),
    Word("pareto_k", "tail of the weights, k̂",
         "below 0.7 averages and their errors can be trusted"),
    Word("tails.*.pareto_k", "tail of the weights, k̂, {}", "below 0.7 they can be trusted"),
    Word("tails.*.stderr", "error of k̂, {}", "its standard error"),
    Word("held_out_log_weight", "weight on held-out data",
         "above 0 the model has learnt its data by heart"),
    Word("model.ess_per_proposal", "effective share of proposals", "1 where the model is perfect"),
    Word("model.largest_weight", "largest weight of a proposal",
         "share of all weight on one; a tenth is much"),
    Word("model.pareto_k", "tail of the proposals' weights, k̂", "below 0.7 it can be trusted"),
    Word("model.overlap", "overlap of model and walkers", "0 to 1; near 0 global moves do nothing"),
    Word("reweighted.*.f_kT", "F of the proposals alone, {}",
         "kT, from weighted draws without the chains: should agree with the states' F"),
    Word("reweighted.*.stderr_kT", "its error, {}", "kT"),
    Word("flow.first_test", "proposals of the flow that the learnt energy took",
         "share; near 0 the flow is too poor"),
    Word("flow.second_test", "walks of the flow that the system took",
         "share; near 0 the learnt energy is too poor"),
    Word("reweighting.samples", "samples of the learnt energy alone", "weighted for the system's"),
    Word("reweighting.effective_share", "effective share of them",
         "1 where the learnt energy is perfect; near 0 reweighting is worth nothing"),
    Word("reweighting.pareto_k", "tail of their weights, k̂", "above 0.7 no error is told"),
    Word("surrogate.energy_error_kT", "error of the learnt energy",
         "kT; what walks by it are corrected for"),
    Word("metadynamics.hills", "hills", "that the bias was made of when it was frozen"),
    Word("metadynamics.last_height_kT", "height of the last hill",
         "kT; small where the bias had settled"),
    Word("metadynamics.highest_bias_kT", "highest bias", "kT"),
    Word("windows", "windows", "umbrella windows, each with a restraint"),
    Word("seeds.*", "starts of windows, {}", "how the windows' walkers were started"),
    Word("rounds_left_out", "rounds left out", "the first of production, not counted"),
    Word("umbrella.rounds_left_out", "rounds left out", "the first of production, not counted"),
    Word("tempering.temperatures", "temperatures", "of the ladder"),
    Word("tempering.rounds_left_out", "rounds left out", "the first of production, not counted"),
    Word("nonfinite", "energies not finite", "refused proposals, counted: few are harmless"),
    Word("isomers_left_out.*", "left out: {}",
         "times another isomer was met, which is another molecule"),
    Word("tempering.isomers_left_out.*", "left out: {}", "times another isomer was met"),
    Word("isomers_refused", "isomers refused", "proposals that were another isomer"),
    Word("estimator", "estimator", "which of them the free energies are of"),
    Word("estimators.counts.*", "F counted along the chain, {}",
         "kT, its error: what convergence is judged by"),
    Word("estimators.bar.*", "F by Bennett's estimator, {}",
         "kT, its error: should agree with the others"),
    Word("estimators.tfep.*", "F by one-sided perturbation, {}",
         "kT, its error, which is not to be believed where k̂ is above 0.7"),
    Word("estimators.tfep_back.*", "F by one-sided perturbation the other way, {}",
         "kT, its error: the two ways should agree"),
    Word("estimators.*.*", "{} of {}", "its error: estimators side by side should agree"),
    Word("models.*.draws", "draws, {}", "of that state's model"),
    Word("models.*.inside", "draws inside, {}", "share that lies in its state"),
    Word("models.*.effective_share", "effective share of draws, {}",
         "1 where the model is perfect"),
    Word("models.*.pareto_k", "tail of the weights, k̂, {}", "below 0.7 they can be trusted"),
    Word("models.*.overlap", "overlap of state and model, {}",
         "0 to 1; below 0.03 no error is told"),
    Word("held_out_loss.*", "loss on held-out data, {}", "of that state's model; lower is better"),
    Word("training.accepted", "the last fit was taken", "1 where it was better on held-out data"),
    Word("training.held_out_loss", "loss on held-out data", "of the last fit; lower is better"),
    Word("training.train_loss", "loss on training data",
         "far below the held-out one it is overfitted"),
    Word("training.gain", "gain of the last fit", "over the model before, on held-out data"),
    Word("training.*", "{} of the last fit", "how the model was trained"),
    Word("gaps", "windows without overlap", "neighbours between which a window is put"),
    Word("dynamics.cycles", "cycles", "of trajectories and fits"),
    Word("dynamics.gathered_frames", "frames gathered", "of trajectories, to learn from"),
    Word("dynamics.difference_kT", "the model's F is off by", "kT, largest of the states"),
    Word("dynamics.difference_stderr_kT", "error of that", "kT, one standard error"),
    Word("dynamics.lost", "trajectories lost", "that became not finite"),
    Word("dynamics.broken", "generated trajectories broken", "share"),
    Word("dynamics.redrawn", "steps drawn again", "share of the model's steps that failed"),
    Word("dynamics.hot_frames", "frames of hot runs", "learnt, and counted nowhere else"),
    Word("dynamics.divergence_after_*", "divergence of trajectories from {}",
         "of generated from simulated ones"),
    Word("dynamics.*.*", "{}: {}", "of another molecule that the model is rolled out of"),
)  # fmt: skip
"""The first that fits counts; those of all strategies."""


def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(re.escape(key).replace(r"\*", r"([^\x00]+?)"))


_PATTERNS = tuple((_pattern(word.key), word) for word in WORDS)


def named(diagnostics: Mapping[str, object]) -> tuple[list[Told], dict[str, str]]:
    """What of the diagnostics has a name, in the order of `WORDS`; and the rest by its keys."""
    found: list[tuple[int, Told]] = []
    rest: dict[str, str] = {}
    for key, value in _entries(diagnostics):
        if key in ELSEWHERE:
            continue
        within = key.startswith(WITHIN)
        fits = _first(key.removeprefix(WITHIN))
        if fits is None:
            rest[key] = value_text(value)
            continue
        place, names = fits
        word = WORDS[place]
        name = word.name.format(*names) + (" (of the exact run)" if within else "")
        text = value_text(value) or "none"
        found.append((place, Told(name, text, word.means)))
    return [told for _, told in sorted(found, key=lambda one: one[0])], rest


def _first(key: str) -> tuple[int, tuple[str, ...]] | None:
    for place, (pattern, _) in enumerate(_PATTERNS):
        match = pattern.fullmatch(key)
        if match:
            return place, match.groups()
    return None


def _entries(tree: Mapping[str, object], before: str = "") -> list[tuple[str, object]]:
    """Leaves by dotted key; a list is one."""
    out: list[tuple[str, object]] = []
    for key, value in tree.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            out += _entries(value, f"{name}.")
        else:
            out.append((name, value))
    return out
