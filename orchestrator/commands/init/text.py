"""The campaign file that ``msgen init`` writes, with a comment where a value asks for thought."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from msgen.orchestrator.commands.init.guesses import Guess

_COMMENTS = {
    "kind": "files are found relative to this one",
    "nonbonded": "in vacuum; see also: msgen init --solvent",
    "solvent": "put there by every worker, at the same places",
    "temperature": "dimensional values carry their unit",
    "platform": "the fastest in a short measurement",
}
_COLUMN = 32


def _line(text: str, comment: str = "") -> str:
    return f"{text:<{_COLUMN}} # {comment}" if comment else text


def _value(value: object) -> str:
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return str(dumped).partition("\n")[0]


def text(name: str, system: Mapping[str, object], guess: Guess) -> str:
    """A campaign along a guess of its CVs.

    Parameters
    ----------
    name : str
    system : Mapping
        The ``system:`` section.
    guess : Guess
    """
    first = next(iter(guess.cvs))
    comment = "what the free energy is a function of" + (f"; {guess.note}" if guess.note else "")
    keys = (_line(f"  {k}: {_value(v)}", _COMMENTS.get(k, "")) for k, v in system.items())
    rows = [
        f"# {name}: written by `msgen init`. What is left out has a default: `msgen schema`.",
        f"name: {_value(name)}",
        _line("seed: 0", "every random number follows from it"),
        "system:",
        *keys,
        _line("cvs:", comment),
        *(f"  {cv}: {section}" for cv, section in guess.cvs.items()),
        _line("# states:", "regions of CV space whose free energies are wanted; the rest is"),
        _line(f"#   A: {{{first}: {guess.region}}}", "one more. Left out: basins are found"),
        _line("strategy: {kind: steered}", "or umbrella, parallel_tempering, metadynamics, …"),
        "replicas: 16",
        "converge: {state_error: 0.1 kT, surface_error: 0.2 kT, below: 8 kT}",
        "budget: {energy_evaluations: 2.0e+7, wall: 8 h}",
        "output: {directory: runs, trajectory: dcd}",
    ]
    return "\n".join([*rows, ""])
