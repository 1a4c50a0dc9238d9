"""``msgen dynamics`` of run directories and of trajectory files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import pytest
from alanine_molecule import reordered_pdb
from places import CONFIGS

import msgen
from msgen.orchestrator.cli import main
from msgen.orchestrator.commands.dynamics import runs
from msgen.orchestrator.commands.dynamics.runs import read_run
from msgen.orchestrator.estimators.dynamics.brief import brief
from msgen.orchestrator.estimators.dynamics.judge import Asked, Labelled, judge
from msgen.orchestrator.reporting.dynamics_result import (
    MADE_FIGURE,
    read_dynamics,
    write_dynamics,
)
from msgen.orchestrator.reporting.dynamics_words import dynamics_lines
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError

PDB = CONFIGS / "alanine_dipeptide.pdb"
PHI = "{phi: {kind: dihedral, atoms: [ACE:C, ALA:N, ALA:CA, ALA:C]}}"
WELLS = "{low: {x: [-2, -0.6]}, high: {x: [0.6, 2]}}"


def command(*words: object) -> int:
    return main(["dynamics", *map(str, words)])


@pytest.fixture(scope="module")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six replicas of the double well, moved by nothing but Langevin dynamics."""
    where = tmp_path_factory.mktemp("local")
    quick = (
        "strategy={kind: local, local: {kind: langevin, steps: 100}}",
        "budget={rounds: 8}",
        "replicas=6",
        "converge.unseen=null",
        "output.tensorboard=false",
    )
    sets = [word for text in quick for word in ("--set", text)]
    file = CONFIGS / "double_well.yaml"
    assert main(["run", str(file), "--executor", "inline", "--output-dir", str(where), *sets]) == 3
    return where / "double-well"


def molecule_files(folder: Path, frames: int = 200) -> list[Path]:
    """Two trajectories of alanine dipeptide whose atoms tremble."""
    start = mdtraj.load(str(PDB))
    rng, paths = np.random.default_rng(5), []
    for k in range(2):
        x = start.xyz + 0.004 * rng.normal(size=(frames, start.n_atoms, 3))
        path = folder / f"md{k}.dcd"
        mdtraj.Trajectory(x, start.topology).save_dcd(str(path))
        paths.append(path)
    return paths


def test_replicas_of_a_run_are_trajectories(
    local_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(local_run, "--states", WELLS, "--lag", 250) == 0
    told = capsys.readouterr().out
    assert "kernel: langevin of strategy local, timestep 0.02, a frame every 50 steps" in told
    assert "draws velocities anew" in told
    assert (local_run / "results" / "dynamics.png").stat().st_size > 20_000
    judged = read_dynamics(local_run / "results")
    extent = judged.extent.here
    assert (extent.trajectories, extent.independent, extent.unit) == (6, 6, "steps")
    assert extent.stride == 50
    # all of production, order after order
    run = read_run(local_run)
    assert extent.frames == sum(len(p) for p in run.data.paths)
    assert len(set(map(len, run.data.paths))) == 1
    f = np.array(judged.surfaces[0].f_kT, dtype=float)
    axis = np.array(judged.surfaces[0].axes[0])
    assert abs(axis[np.nanargmin(f)] + 1.087) < 0.15
    assert judged.lag == 250
    assert main(["report", str(local_run)]) == 0
    page = (local_run / "results" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Dynamics</h2>" in page
    assert "time scale 1 of the Markov model" in page


def test_a_run_beside_another_is_compared(
    local_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With itself: no difference, and its own noise."""
    assert command(local_run, "--reference", local_run, "-o", tmp_path) == 0
    told = capsys.readouterr().out
    assert "reference" in told.splitlines()[0]
    judged = read_dynamics(tmp_path)
    difference = judged.surfaces[0].difference
    assert difference is not None
    assert difference.rms_kT.value == pytest.approx(0.0, abs=1e-9)
    assert difference.floor_kT is not None
    assert judged.divergences[0].nats.value == pytest.approx(0.0, abs=1e-12)
    assert [d.of for d in judged.divergences] == [("x",), ("slow direction 1",)]
    # one state is named in its campaign, and passages need two
    assert "no passages: name two states" in told


def test_orders_of_other_strategies_are_pieces(
    local_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if this one moved its replicas otherwise, too."""
    whole = read_run(local_run).data
    kind = replace(runs.KINDS["local"], runs_on=False)
    monkeypatch.setattr(runs, "KINDS", {"local": kind})
    run = read_run(local_run)
    assert run.data.unit == "frames"
    assert "times mean little" in run.notes[-1]
    left_out = msgen.load(local_run).diagnostics.get("rounds_left_out", 0)
    assert len(run.data.paths) == (4 - left_out) * len(whole.paths)
    assert np.unique(run.data.member).tolist() == np.unique(whole.member).tolist()
    assert np.concatenate(run.data.paths) == pytest.approx(np.concatenate(whole.paths))


def test_trajectory_files_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = molecule_files(tmp_path)
    words = ("--topology", PDB, "--cvs", PHI, "--stride", "0.5 ps")
    assert command(*paths, *words) == 0
    told = capsys.readouterr().out
    assert "handedness and peptide bonds" in told
    judged = read_dynamics(tmp_path)
    assert (judged.extent.here.stride, judged.extent.here.unit) == (0.5, "ps")
    start = mdtraj.load(str(PDB))
    phi = mdtraj.compute_dihedrals(start, [[4, 6, 8, 14]])[0, 0]
    surface = judged.surfaces[0]
    lowest = np.nanargmin(np.array(surface.f_kT, dtype=float))
    assert abs(surface.axes[0][lowest] - phi) < 0.3
    assert judged.validity is not None
    assert judged.validity.share.value == 0.0


def test_bonds_are_held_to_those_of_the_reference(tmp_path: Path) -> None:
    """A hydrogen is pulled away in a tenth of the frames, and the molecule mirrored in one."""
    paths = molecule_files(tmp_path)
    start = mdtraj.load(str(PDB))
    x = np.repeat(start.xyz, 200, axis=0)
    x[:20, 0] += 0.1
    x[50] *= -1.0
    broken = tmp_path / "broken.dcd"
    mdtraj.Trajectory(x, start.topology).save_dcd(str(broken))
    words = ("--topology", PDB, "--cvs", PHI, "-o", tmp_path, "--reference", *paths)
    assert command(broken, *words) == 0
    validity = read_dynamics(tmp_path).validity
    assert validity is not None
    assert (validity.bad_bonds, validity.other_isomers, validity.frames) == (20, 1, 200)
    assert validity.share.value == pytest.approx(21 / 200)
    assert "one trajectory" in validity.share.why


def test_times_that_files_tell_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = mdtraj.load(str(PDB))
    x = np.repeat(start.xyz, 60, axis=0) + 0.004 * np.random.default_rng(0).normal(
        size=(60, start.n_atoms, 3)
    )
    timed = mdtraj.Trajectory(x, start.topology, time=0.2 * np.arange(60))
    timed.save_xtc(str(tmp_path / "md.xtc"))
    words = ("--topology", PDB, "--cvs", PHI, "-o", tmp_path, "--pieces", 3)
    assert command(tmp_path / "md.xtc", *words) == 0
    extent = read_dynamics(tmp_path).extent.here
    assert (extent.stride, extent.unit, extent.independent) == (0.2, "ps", 3)
    assert "short against" not in capsys.readouterr().out
    assert command(tmp_path / "md.xtc", *words[:-1], 12) == 0
    assert "short against" in capsys.readouterr().out
    assert command(tmp_path / "md.xtc", *words[:-2]) == 0
    assert "one alone tells no error; give several; or cut it with --pieces" in (
        capsys.readouterr().out
    )
    timed.time[30:] += 1.0
    timed.save_xtc(str(tmp_path / "md.xtc"))
    assert command(tmp_path / "md.xtc", *words) == 2
    assert "not evenly spaced" in capsys.readouterr().err


@pytest.mark.parametrize("which", ["first", "second", "reference"])
def test_a_trajectory_of_atoms_in_another_order_is_refused(
    which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A DCD holds no names: bonds that are in no frame what they can be tell it."""
    paths = molecule_files(tmp_path, 20)
    whole = mdtraj.load(str(paths[0]), top=str(PDB))
    order = [1, 0, *range(2, whole.n_atoms)]
    other = tmp_path / "other.dcd"
    mdtraj.Trajectory(whole.xyz[:, order], whole.topology).save_dcd(str(other))
    words = ("--topology", PDB, "--cvs", PHI, "-o", tmp_path)
    given = {
        "first": (other, paths[1]),
        "second": (paths[0], other),
        "reference": (paths[0], "--reference", other),
    }
    assert command(*given[which], *words) == 2
    error = capsys.readouterr().err
    assert "ACE:CH3 and ACE:H" in error
    assert "in the same order" in error
    assert command(*paths, *words) == 0


def test_files_that_name_their_atoms_are_held_to_the_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To those of the topology beside them, and of each other: their number is not enough."""
    whole = mdtraj.load(str(molecule_files(tmp_path, 20)[0]), top=str(PDB))
    whole.save_pdb(str(tmp_path / "whole.pdb"))
    (tmp_path / "other.pdb").write_text(reordered_pdb(4))
    words = ("--cvs", PHI, "--stride", "1 ps", "-o", tmp_path)
    for given in (("other.pdb", "--topology", PDB), ("whole.pdb", tmp_path / "other.pdb")):
        assert command(tmp_path / given[0], *given[1:], *words) == 2
        assert "in another order: atom 4 (from 0) is O of ACE" in capsys.readouterr().err
    assert command(tmp_path / "whole.pdb", "--topology", PDB, *words) == 0


def test_what_was_written_is_read_as_it_was(local_run: Path, tmp_path: Path) -> None:
    run = read_run(local_run)
    cores = np.where(np.abs(run.data.xi[:, 0]) > 0.6, (run.data.xi[:, 0] > 0).astype(int), -1)
    asked = Asked(("low", "high"), 500.0, 2000.0, ((-2.0, 2.0),), ("1",))
    labelled = Labelled(run.data, cores)
    alone = judge(labelled, asked, notes=("a note",))
    # with what a model was asked for beside, that has a figure of its own
    made = (
        brief("of 12 frames", labelled, labelled, asked, at_equilibrium=True, broken=3),
        brief("from low to high", labelled, None, asked, at_equilibrium=False),
        brief("at 320 K", None, None, asked, at_equilibrium=True, notes=("all are broken",)),
    )
    told = replace(alone, made=made)
    write_dynamics(tmp_path, told, "a title")
    assert read_dynamics(tmp_path) == told
    assert (tmp_path / MADE_FIGURE).stat().st_size > 20_000
    lines = dynamics_lines(told)
    assert any(line.startswith("made of 12 frames: whole; broken") for line in lines)
    assert "note: made at 320 K: all are broken" in lines
    write_dynamics(tmp_path, alone, "a title")
    assert read_dynamics(tmp_path) == alone
    assert not (tmp_path / MADE_FIGURE).exists()
    content = json.loads((tmp_path / "dynamics.json").read_text())
    assert (content["schema_version"], content["of"]) == (1, "a title")
    (tmp_path / "dynamics.json").write_text(json.dumps({**content, "schema_version": 9}))
    with pytest.raises(RunDirectoryError, match="layout 9"):
        read_dynamics(tmp_path)
    (tmp_path / "dynamics.json").write_text("{")
    with pytest.raises(RunDirectoryError, match="damaged"):
        read_dynamics(tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing.dcd"], "no such file"),
        (["md0.dcd"], "--cvs: is missing"),
        (["md0.dcd", "--cvs", PHI], "--topology: is missing"),
        (["md0.dcd", "--cvs", PHI, "--topology", "no.pdb"], "no such file"),
        (["md0.dcd", "--cvs", "$analytic", "--topology", str(PDB)], "no such file"),
        (["md0.dcd", "--cvs", "{d: {kind: distanc}}", "--topology", str(PDB)], "'distance'"),
        (["md0.dcd", "--cvs", "{}", "--topology", str(PDB)], "names no CV"),
        (
            ["md0.dcd", "--cvs", "{d: {kind: distance, atoms: [0, 99]}}", "--topology", str(PDB)],
            "count from 0 to 21",
        ),
        (["text.dcd", "--cvs", PHI, "--topology", str(PDB)], "cannot be read"),
        (["md0.dcd", "$phi", "--stride", "2"], "unit is missing"),
        (["md0.dcd", "$phi", "--lag", "2 ps"], "times are in frames"),
        (["md0.dcd", "$phi", "--lag", "0"], "not above 0"),
        (["md0.dcd", "$phi", "--lag", "1.5"], "no whole number"),
        (["md0.dcd", "$phi", "--lag", "5000"], "longer than any"),
        (["md0.dcd", "$phi", "--pieces", "0"], "1 or more"),
        (["md0.dcd", "$phi", "-o", "nowhere"], "is no folder"),
        (["md0.dcd", "$phi", "--states", "{A: {psi: [0 deg, 9 deg]}}"], "Allowed: phi"),
        (["md0.dcd", "$phi", "--states", "{A: {phi: [0 nm, 9 nm]}}"], "angle"),
        ([".", "md0.dcd"], "more than one run"),
        (["."], "holds no campaign.resolved.yaml"),
        (["$run", "--states", "{A: {x: [1, -1]}}"], "is empty"),
        (["$run", "--cvs", "{y: {kind: coordinate, index: 0}}"], "in this order: x"),
        (["md0.dcd", "--reference", "$run", "--topology", str(PDB)], "different units"),
    ],
)
def test_a_wrong_command_is_refused(
    words: list[str],
    says: str,
    local_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    molecule_files(tmp_path, 20)
    (tmp_path / "text.dcd").write_text("no trajectory")
    monkeypatch.chdir(tmp_path)
    given: list[str] = []
    for word in words:
        given += ["--topology", str(PDB), "--cvs", PHI] if word == "$phi" else [word]
    assert command(*(str(local_run) if w == "$run" else w for w in given)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) <= 4
    assert not (tmp_path / "dynamics.json").exists()
