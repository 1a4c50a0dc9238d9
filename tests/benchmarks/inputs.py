"""One molecule through every input format: its energies, forces and free energies are the same.

`make bench NAME=inputs [ARGS="[--evaluations N]"]`: five alanines with CHARMM36, files of ParmEd's
that nobody here wrote, in the formats of Amber (CHAMBER), Gromacs, CHARMM and OpenMM. Energies and
forces at structures about the start; and a campaign of each program's files, whose free energies
agree to their errors. Finished campaigns are kept in runs/benchmarks/inputs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from inputs_parts.formats import FORMATS, Format, lay
from rows import Row, publish
from systems_parts.archives import Archives
from trials import KEPT, Ended, Trial, run_all

from msgen.orchestrator.schema import Campaign
from msgen.systems import System, Walkers, build_system

EVALUATIONS = 3_000_000
STRUCTURES, JITTER = 8, 0.004
"""About the start, nm: bonds are strained there, as nowhere in a campaign."""
AGREE = 1e-5
"""Of energies and forces, relative; in single files numbers have seven digits."""
SIGMA = 3.0
CAMPAIGNS = (0, 2, 4)
"""Of each program's files one format."""


def built(format_: Format, folder: Path) -> System:
    """The system of a format, as a campaign builds it."""
    campaign = Campaign.parse({"name": "a", **format_.campaign(EVALUATIONS)})
    return build_system(campaign.spec_system(), folder)


def compared(name: str, system: System, reference: System) -> list[Row]:
    """How far energies and forces are apart, relative, at the same structures."""
    start = reference.initial().positions
    noise = np.random.default_rng(5).normal(0.0, JITTER, (STRUCTURES, start.shape[1]))
    walkers = Walkers(start + noise)
    (u, f), (u0, f0) = (s.energy_and_force(walkers) for s in (system, reference))
    energy = float(np.abs(u - u0).max() / np.abs(u0).max())
    force = float(np.abs(f - f0).max() / np.abs(f0).max())
    bound = f"≤ {AGREE:g}"
    return [
        Row(f"{name}: energies", energy, "", "relative", bound, energy <= AGREE),
        Row(f"{name}: forces", force, "", "relative", bound, force <= AGREE),
    ]


def trials(folder: Path, evaluations: int) -> Iterator[Trial]:
    """A campaign of each program's files; they are found beside its file."""
    for k in CAMPAIGNS:
        path = folder / f"campaign{k}.yaml"
        path.write_text(yaml.safe_dump(FORMATS[k].campaign(evaluations), sort_keys=False))
        yield Trial(f"format{k}", path, {})


def free_energies(ended: Mapping[str, Ended]) -> list[Row]:
    """F of the narrow angles in each, against the first one's."""
    rows: list[Row] = []
    known = [k for k in CAMPAIGNS if f"format{k}" in ended]
    if CAMPAIGNS[0] not in known:
        return rows
    first = ended[f"format{CAMPAIGNS[0]}"].states.get("rest", (None, None))
    for k in known:
        f, error = ended[f"format{k}"].states.get("rest", (None, None))
        what = f"{FORMATS[k].name}: F"
        if f is None or error is None or first[0] is None or first[1] is None:
            rows.append(Row(what, np.nan, "kT", "too short to know"))
            continue
        z = abs(f - first[0]) / float(np.hypot(error, first[1]))
        rows.append(Row(what, f, "kT", f"± {error:.2g}", f"{SIGMA:g} sigma", z <= SIGMA))
    return rows


def main(argv: Sequence[str]) -> None:
    """Make the files, compare, print the table."""
    parser = argparse.ArgumentParser(prog="inputs")
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS, metavar="N")
    asked = parser.parse_args(argv)
    folder = KEPT / "inputs" / "files"
    lay(folder, Archives())
    reference = built(FORMATS[0], folder)
    rows = [row for one in FORMATS[1:] for row in compared(one.name, built(one, folder), reference)]
    asked_for = list(trials(folder, asked.evaluations))
    seeds = {trial.name: [1] for trial in asked_for}
    ended = {one.trial: one for one in run_all("inputs", asked_for, seeds)}
    publish("inputs", rows + free_energies(ended))


if __name__ == "__main__":
    main(sys.argv[1:])
