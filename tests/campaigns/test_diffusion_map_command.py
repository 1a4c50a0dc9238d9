"""``msgen cv diffusion-map``, and a campaign biased along what it makes."""

from __future__ import annotations

import json
from pathlib import Path

import mdtraj
import numpy as np
import pytest
import yaml
from alanine_molecule import reordered_pdb
from exact_populations import exact_probabilities
from places import CONFIGS, TESTS
from sections import build_cvs, build_system

from msgen.orchestrator.cli import main
from msgen.orchestrator.validate import load_campaign, prepare
from msgen.systems.cvs.diffusion_map import LandmarkFile


def command(*words: object) -> int:
    return main(["cv", "diffusion-map", *map(str, words)])


def strip(folder: Path) -> Path:
    """2,000 points, 2 long and 0.4 wide."""
    x = np.random.default_rng(0).uniform([-1, -0.2], [1, 0.2], size=(2000, 2))
    np.savez(folder / "data.npz", positions=x)
    return folder / "data.npz"


def test_a_cv_from_an_array_is_ready_for_a_campaign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = strip(tmp_path), tmp_path / "phi.npz"
    assert command(data, "-o", out, "--landmarks", 150, "--slow", 0, "--epsilon", 0.01) == 0
    told = capsys.readouterr().out
    assert "150 landmarks" in told
    assert "warning" not in told
    shown = yaml.safe_load(told.splitlines()[-1])
    assert set(shown["phi1"]) == {"kind", "file", "range"}
    campaign = yaml.safe_load((TESTS / "campaigns" / "analytic.yaml").read_text())
    campaign = {**campaign, "cvs": shown, "states": {"left": {"phi1": [-0.5, 0.0]}}}
    (tmp_path / "campaign.yaml").write_text(yaml.safe_dump(campaign))
    assert main(["validate", str(tmp_path / "campaign.yaml")]) == 0
    with np.load(data) as file:
        x = file["positions"]
    parsed = load_campaign(tmp_path / "campaign.yaml")
    xi = build_cvs(parsed.spec_cvs(), build_system({"kind": "double_well"}, tmp_path), tmp_path)(x)
    assert abs(np.corrcoef(xi[:, 0], np.sin(np.pi * x[:, 0] / 2))[0, 1]) > 0.995
    low, high = shown["phi1"]["range"]
    assert ((low < xi) & (xi < high)).all()


def test_a_cv_of_a_molecule_from_a_trajectory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = TESTS / "campaigns" / "molecule.yaml"
    checked = prepare(campaign, output_dir=tmp_path)
    start = checked.system.initial().positions
    frames = start + 0.03 * np.random.default_rng(3).normal(size=(300, start.shape[1]))
    topology = mdtraj.load_topology(CONFIGS / "alanine_dipeptide.pdb")
    mdtraj.Trajectory(frames.reshape(300, -1, 3), topology).save_dcd(str(tmp_path / "md.dcd"))
    out = tmp_path / "phi.npz"
    words = ("--campaign", campaign, "--landmarks", 20, "--epsilon", 0.5, "--slow", "bend")
    bend = "{kind: angle, atoms: [ALA:N, ALA:CA, ALA:C], range: [0 deg, 180 deg]}"
    chosen = ("--set", f"cvs.bend={bend}", "--features", "phi,psi")
    assert command(tmp_path / "md.dcd", "-o", out, *words, *chosen) == 0
    assert "warning: |Spearman" in capsys.readouterr().out
    made = LandmarkFile.load(out)
    assert [f["kind"] for f in made.features] == ["dihedral", "dihedral"]
    assert made.about["features"] == ["phi", "psi"]
    # the landmarks are frames
    for at in made.landmarks:
        assert np.abs(checked.cvs(frames) - at).max(axis=1).min() < 1e-4
    spec = {"phi1": {"kind": "diffusion_map", "file": "phi.npz"}}
    assert np.ptp(build_cvs(spec, checked.system, tmp_path)(frames)) > 0.5


def test_a_trajectory_of_other_atoms_makes_no_cv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = TESTS / "campaigns" / "molecule.yaml"
    start = mdtraj.load(str(CONFIGS / "alanine_dipeptide.pdb"))
    order = [1, 0, *range(2, start.n_atoms)]
    mdtraj.Trajectory(start.xyz[:, order], start.topology).save_dcd(str(tmp_path / "md.dcd"))
    (tmp_path / "md.pdb").write_text(reordered_pdb(0))
    np.save(tmp_path / "md.npy", start.xyz[:, order])
    for name in ("md.dcd", "md.npy", "md.pdb"):
        words = ("-o", tmp_path / "phi.npz", "--campaign", campaign)
        assert command(tmp_path / name, *words) == 2
        error = capsys.readouterr().err
        assert "in another order" in error
        assert "in their order" in error


def test_a_cv_from_a_run_takes_its_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = CONFIGS / "double_well.yaml"
    quick = ("--set", "budget={rounds: 3}", "--set", "replicas=8")
    assert main(["run", str(file), "--output-dir", str(tmp_path), *quick]) == 3
    (run,) = (p.parent for p in tmp_path.glob("*/campaign.resolved.yaml"))
    out = tmp_path / "phi.npz"
    assert command(run, "-o", out, "--landmarks", 50, "--slow", "x", "--components", 2) == 0
    assert LandmarkFile.load(out).features[0]["kind"] == "coordinate"
    assert command(run, "-o", out, "--scale", "increments") == 2
    assert "not in order of time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing.npy"], "does not exist"),
        (["data.npz", "-o", "no/phi.npz"], "folder does not exist"),
        (["data.npz", "--slow", "2"], "Allowed: 0, 1"),
        (["data.npz", "--features", "x"], "leave --features out"),
        (["data.npz", "--landmarks", "3"], "too few"),
        (["data.npz", "--epsilon", "1e6"], "lower it"),
        (["md.dcd"], "--campaign"),
        (["."], "no run directory"),
        (["data.npz", "--campaign", "$analytic", "--features", "y"], "no such CV"),
        (["data.npz", "--campaign", "$molecule"], "the system has 66"),
        (["md.dcd", "--campaign", "$molecule"], "cannot be read"),
        (["md.dcd", "--campaign", "$analytic"], "is no array"),
        (["text.npy"], "cannot be read"),
    ],
)
def test_a_wrong_command_is_refused(
    words: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strip(tmp_path)
    (tmp_path / "md.dcd").write_bytes(b"no trajectory")
    (tmp_path / "text.npy").write_text("no array")
    monkeypatch.chdir(tmp_path)
    campaigns = {f"${n}": TESTS / "campaigns" / f"{n}.yaml" for n in ("analytic", "molecule")}
    assert command("-o", "phi.npz", *(campaigns.get(w, w) for w in words)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) <= 4
    assert not (tmp_path / "phi.npz").exists()


@pytest.mark.slow
def test_a_campaign_biased_along_it_finds_the_exact_integral(tmp_path: Path) -> None:
    """Within 4 of the campaign's own σ."""
    file = CONFIGS / "examples" / "evolving_double_well_phi.yaml"
    assert main(["run", str(file), "--executor", "inline", "--output-dir", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*/results/free_energy.json")
    result = json.loads(path.read_text())
    campaign = load_campaign(file)
    system = build_system(campaign.spec_system(), file.parent)
    cvs = build_cvs(campaign.spec_cvs(), system, file.parent)
    axis = np.array(result["surface"]["axes"]["phi1"])
    half = 0.5 * (axis[1] - axis[0])
    p = exact_probabilities(system, cvs, [np.append(axis - half, axis[-1] + half)], n=700)
    low = p[axis < -0.6].sum()
    rest = result["states"]["rest"]
    assert rest["stderr_kT"] <= 0.1
    assert abs(rest["f_kT"] - np.log(low / (1 - low))) < 4 * rest["stderr_kT"]
    f, error = (np.array(result["surface"][k], dtype=float) for k in ("f_kT", "stderr_kT"))
    exact = -np.log(p)
    seen = exact - exact.min() < 4.5
    off = (f - exact)[seen]
    assert np.mean(((off - off.mean()) / error[seen]) ** 2) < 4
