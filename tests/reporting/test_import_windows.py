"""``msgen import``: somebody's windows give pymbar's answer, with errors, overlap and doubts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plain_windows
import pytest
import yaml
from places import ROOT
from plain_windows import CENTRES, KT, SPRING, free_energy, make_windows
from pymbar import MBAR
from scipy.signal import lfilter

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.cli import main
from msgen.orchestrator.commands.importing import joined
from msgen.orchestrator.commands.importing.bias import KERNELS, Hills, Spring
from msgen.orchestrator.commands.importing.command import import_windows
from msgen.orchestrator.commands.importing.joined import Joined, Window, join
from msgen.orchestrator.commands.importing.section import Springs, Windows, read_windows
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.reporting.results import Result, read_result
from msgen.orchestrator.schema.problems import CampaignError, dotted

SECTION: dict[str, Any] = {
    "temperature": "300 K",
    "cvs": {"r": {"unit": "A", "range": ["2.5 A", "9.5 A"], "bins": 35}},
    "springs": {"unit": "kcal/mol/A^2"},
    "windows": "metadata.dat",
    "states": {"short": {"r": ["0 nm", "0.6 nm"]}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("windows")
    make_windows(out, 600)
    (out / "mine.yaml").write_text(yaml.safe_dump(SECTION))
    return out


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    import_windows(folder / "mine.yaml")
    return read_result(folder / "mine")


def test_the_script_knows_nothing_of_us() -> None:
    assert "msgen." not in Path(plain_windows.__file__).read_text().partition('"""\n\nfrom')[2]


def by_pymbar(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances, pymbar's free energies of the windows, and its weights."""
    r = [np.loadtxt(folder / f"w{k}.dat")[:, 1] / 10 for k in range(len(CENTRES))]
    x = np.concatenate(r)
    u = 0.5 * SPRING * (x - CENTRES[:, None]) ** 2 / KT
    mbar = MBAR(u, [len(one) for one in r], solver_protocol="robust")
    log_w = -np.log((np.exp(mbar.f_k[:, None] - u) * mbar.N_k[:, None]).sum(0))
    return x, mbar.f_k, np.exp(log_w - log_w.max())


def test_plain_windows_give_pymbars_own_answer(folder: Path, result: Result) -> None:
    x, f_k, w = by_pymbar(folder)
    windows = result.estimate.diagnostics["windows"]
    np.testing.assert_allclose(windows["f_kT"], f_k - f_k[0], atol=1e-5)
    p, _ = np.histogram(x, bins=np.linspace(0.25, 0.95, 36), weights=w)
    known = p > 0
    assert np.array_equal(np.isfinite(result.estimate.f_kT), known)
    f = -np.log(p[known] / p.max())
    np.testing.assert_allclose(result.estimate.f_kT[known], f, atol=1e-5)
    short = w[x < 0.6].sum() / w.sum()
    rest = result.estimate.states["rest"].f_kT
    assert rest == pytest.approx(-np.log((1 - short) / short), abs=1e-5)


def test_and_the_truth_within_its_errors(result: Result) -> None:
    """χ² of 35 bins and the two states, against the density that the bond has."""
    assert not result.estimate.ungrounded
    edges = np.linspace(0.25, 0.95, 36)
    fine = np.linspace(0.2, 1.0, 80_001)
    p, _ = np.histogram(fine, bins=edges, weights=np.exp(-free_energy(fine)))
    truth = -np.log(p / p.max())
    z = (result.estimate.f_kT - truth) / result.estimate.stderr_kT
    z = z[np.isfinite(z)]
    z -= np.average(z)  # both have their lowest bin at 0
    assert np.sqrt(np.mean(z**2)) < 1.8
    assert np.abs(z).max() < 4.5
    density = np.exp(-free_energy(fine))
    exact = -np.log(density[fine >= 0.6].sum() / density[fine < 0.6].sum())
    rest = result.estimate.states["rest"]
    assert rest.f_kT is not None
    assert rest.stderr_kT is not None
    assert abs(rest.f_kT - exact) < 3.5 * rest.stderr_kT < 1.0


def test_the_command_says_what_came_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(folder / "mine.yaml"), "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "imported: 9 windows, 5,400 samples" in said
    assert "window r = 2.5 A: F = 0.000 kT, 600 samples" in said
    assert "weakest link between windows: overlap" in said
    made = {p.name for p in (tmp_path / "out" / "results").iterdir()}
    assert made >= {"free_energy.json", "fes.csv", "fes.dat", "bias.dat", "free_energy.png"}


def test_cells_of_too_many_samples_give_the_same(
    folder: Path, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joined, "MOST_ENTRIES", 1000)
    import_windows(folder / "mine.yaml", tmp_path)
    cells = read_result(tmp_path).estimate
    np.testing.assert_allclose(cells.f_kT, result.estimate.f_kT, atol=0.02)
    np.testing.assert_allclose(cells.stderr_kT, result.estimate.stderr_kT, rtol=0.1)


def test_a_spring_of_amber_is_twice_one_of_plumed(
    folder: Path, result: Result, tmp_path: Path
) -> None:
    """Its energy has no half: with the factor forgotten everything is off."""
    lines = (folder / "metadata.dat").read_text().splitlines()
    halves = [" ".join([*line.split()[:2], str(float(line.split()[2]) / 2)]) for line in lines]
    (folder / "amber.dat").write_text("\n".join(halves) + "\n")
    for half, same in ((False, True), (True, False)):
        springs = {"unit": "kcal/mol/A^2", "half": half}
        section = {**SECTION, "windows": "amber.dat", "springs": springs}
        (folder / "amber.yaml").write_text(yaml.safe_dump(section))
        import_windows(folder / "amber.yaml", tmp_path)
        off = np.nanmax(np.abs(read_result(tmp_path).estimate.f_kT - result.estimate.f_kT))
        assert (off < 1e-6) == same


@pytest.mark.parametrize(
    ("unit", "half", "name", "kappa"),
    [
        ("kJ/mol/nm^2", True, "d", 1.0),  # Gromacs, and PLUMED's KAPPA
        ("kcal/mol/A^2", True, "d", 418.4),  # WHAM
        ("kcal/mol/A^2", False, "d", 836.8),  # Amber's rk2 and CHARMM
        ("kJ/mol/rad^2", True, "phi", 1.0),
        ("kcal/mol/rad^2", False, "phi", 8.368),  # Amber: rad², whatever r2 is in
        ("kcal/mol/deg^2", True, "phi", 4.184 * (180 / np.pi) ** 2),
        ({"phi": "kcal/mol/rad^2", "d": "kcal/mol/A^2"}, True, "d", 418.4),
        ({"phi": "kcal/mol/rad^2", "d": "kcal/mol/A^2"}, True, "phi", 4.184),
        ("kJ/mol", True, "q", 1.0),
    ],
)
def test_springs_of_every_program(
    unit: str | dict[str, str], half: bool, name: str, kappa: float
) -> None:
    """κ in kJ/mol/nm² or /rad² of ½ κ (ξ − λ)²; twin: without the square, or the half."""
    springs = Springs(unit=unit, half=half)
    assert springs.in_kT(2.5, name) == pytest.approx(kappa / 2.5, rel=1e-12)
    assert Springs(unit="kT/nm^2").in_kT(2.5, "d") == pytest.approx(1.0)


def angles(folder: Path, degrees: np.ndarray, **changes: Any) -> Result:
    """One window of a torsion at 180°."""
    rows = "\n".join(f"{t} {x:.6f}" for t, x in enumerate(degrees))
    (folder / "w.dat").write_text(rows + "\n")
    section = {
        "temperature": "300 K",
        "cvs": {"phi": {"unit": "deg", "periodic": True, "bins": 12}},
        "springs": {"unit": "kcal/mol/rad^2"},
        "windows": [{"files": "w.dat", "centre": {"phi": "180 deg"}, "spring": {"phi": 1.0}}],
        "states": {"left": {"phi": ["-180 deg", "-90 deg"]}},
        **changes,
    }
    (folder / "phi.yaml").write_text(yaml.safe_dump(section))
    import_windows(folder / "phi.yaml")
    return read_result(folder / "phi")


def test_angles_of_0_to_360_are_those_of_minus_180_to_180(tmp_path: Path) -> None:
    """Their states too: of 200° it was that of 180°, the last below the end."""
    x = 180.0 + 34.0 * np.random.default_rng(12).normal(size=400)
    one, other = angles(tmp_path, x % 360), angles(tmp_path, (x + 180) % 360 - 180)
    np.testing.assert_allclose(one.estimate.f_kT, other.estimate.f_kT, atol=1e-6)
    rest = one.estimate.states["rest"].f_kT
    assert rest is not None
    assert rest == pytest.approx(other.estimate.states["rest"].f_kT, abs=1e-6)
    assert abs(rest) < 1.0  # half of it beyond 180°, and the spring the same on both sides


def test_a_metadata_file_says_what_is_not_restrained_and_how_hot_it_was(tmp_path: Path) -> None:
    x = np.random.default_rng(13).uniform(-180, 180, 400)
    metadata = tmp_path / "meta.dat"
    metadata.write_text("w.dat 180 0.0 0 300.0 # free\n")
    free = angles(tmp_path, x, windows="meta.dat").estimate
    p, _ = np.histogram(x, bins=12, range=(-180, 180))
    np.testing.assert_allclose(free.f_kT, -np.log(p / p.max()), atol=1e-6)
    for line, what in (("w.dat 180 1.0 0 350", "another temperature than 300 K"),
                       ("w.dat 180 -1.0", "a negative spring")):  # fmt: skip
        metadata.write_text(line + "\n")
        with pytest.raises(CampaignError, match=what):
            angles(tmp_path, x, windows="meta.dat")


def test_hills_end_as_plumeds_do() -> None:
    """At 6.25 of d², cut or stretched to 0 there; twin: Gaussians without an end."""
    one = np.ones((1, 1))
    place = np.array([[1.0], [1.0 + 0.2 * np.sqrt(2.0)], [1.0 + 0.2 * np.sqrt(12.4)], [1.8]])
    found = {
        kernel: Hills(one, 0.2 * one, np.array([3.0]), np.array([False]), kernel).energy(place)
        for kernel in (None, *KERNELS)
    }
    e, low = np.exp([-1.0, -6.2]), np.exp(-6.25)
    np.testing.assert_allclose(found["gaussian"], [3, *(3 * e), 0])
    np.testing.assert_allclose(
        found["stretched-gaussian"], [3, *(3 * (e - low) / (1 - low)), 0], atol=1e-15
    )
    np.testing.assert_allclose(found[None], [3, *(3 * e), 3 * np.exp(-8)])


def test_what_kernel_hills_have_is_read_from_their_file(tmp_path: Path) -> None:
    """Samples alike everywhere under one high hill: F is less the hill, to the last digit."""
    centres = -np.pi + (np.arange(12) + 0.5) * np.pi / 6
    rows = "\n".join(f"{t} {x:.9f}" for t, x in enumerate(np.tile(centres, 20)))
    (tmp_path / "COLVAR").write_text(f"#! FIELDS time phi\n{rows}\n")
    section = {
        "temperature": "300 K",
        "cvs": {"phi": {"unit": "rad", "periodic": True, "bins": 12}},
        "windows": [{"files": "COLVAR", "hills": "HILLS"}],
    }
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(section))
    half = 0.5 * (centres / 0.5) ** 2
    low = np.exp(-6.25)
    stretched = np.where(half < 6.25, (np.exp(-half) - low) / (1 - low), 0.0)
    for kernel, hill in (("stretched-gaussian", stretched), (None, np.exp(-half))):
        said = f"#! SET kerneltype {kernel}\n" if kernel else ""
        (tmp_path / "HILLS").write_text(
            f"#! FIELDS time phi sigma_phi height biasf\n{said}1 0.0 0.5 20.0 -1\n"
        )
        import_windows(tmp_path / "one.yaml")
        f = read_result(tmp_path / "one").estimate.f_kT
        expected = -20.0 / KT * hill
        np.testing.assert_allclose(f, expected - expected.min(), atol=1e-6)
    (tmp_path / "HILLS").write_text(
        "#! FIELDS time phi sigma_phi height\n#! SET kerneltype triangular\n1 0.0 0.5 20.0\n"
    )
    with pytest.raises(CampaignError, match="kerneltype triangular"):
        import_windows(tmp_path / "one.yaml")


# windows of numpy, whose truth is known and which cost nothing

GRID = Grid.regular(((-2.0, 2.0),), (16,), (False,))
PLACES = np.linspace(-1.6, 1.6, 7)
KAPPA = 12.0


def chain(rng: np.random.Generator, n: int, memory: float) -> np.ndarray:
    """Normal numbers that remember e^{−1/memory}."""
    keep = np.exp(-1.0 / memory)
    noise = rng.normal(size=n) * np.sqrt(1 - keep**2)
    noise[0] /= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], noise))


def harmonic(
    rng: np.random.Generator, n: int, hidden: Callable[[int], np.ndarray] | None = None
) -> Joined:
    """Windows of U = x²/2: each is a Gaussian; two walkers each, and what is hidden beside them."""
    windows = []
    for c in PLACES:
        width, mean = 1 / np.sqrt(1 + KAPPA), KAPPA * c / (1 + KAPPA)
        x = [(mean + width * chain(rng, n, 3.0))[:, None] for _ in range(2)]
        y = [np.zeros((n, 0)) if hidden is None else hidden(k)[:, None] for k in range(2)]
        one = np.array([False])
        bias = Spring(np.array([c]), np.array([KAPPA]), one)
        windows.append(Window(f"{c:.2f}", bias, tuple(x), tuple(y)))
    names = () if hidden is None else ("y",)
    flags = np.zeros(1 + len(names), dtype=bool)
    boxes = {"left": {"x": (-np.inf, 0.0)}}
    states = Partition.from_boxes(boxes, ("x",), np.array([False]))
    return join(windows, GRID, ("x",), names, flags, states)


@pytest.mark.slow
def test_errors_cover() -> None:
    """ΔF of the halves is 0, and bins differ from x²/2: 68 % intervals hold it about that often.

    Of 40 repeats a share beyond .46 … .88 has a chance of 3 in 1,000; twin: samples as if they
    were independent, with less than half of the error.
    """
    rng = np.random.default_rng(12)
    done = [harmonic(rng, 400) for _ in range(40)]
    rest = [d.estimate.states["rest"] for d in done if not d.estimate.ungrounded]
    assert len(rest) > 34  # one in twenty is called different by chance
    z = np.array([r.f_kT / r.stderr_kT for r in rest])
    assert 0.46 <= np.mean(np.abs(z) < 1) <= 0.88
    # 1 + 2 Σ e^{−t/3} = 6.05
    g = 800 / np.mean([d.effective.mean() for d in done])
    assert 5.0 < g < 7.5
    assert np.mean(np.abs(z) * np.sqrt(g) < 1) < 0.46


def test_a_gap_and_too_few_samples_leave_no_error() -> None:
    rng = np.random.default_rng(3)
    bias = [Spring(np.array([c]), np.array([400.0]), np.array([False])) for c in (-1.0, 1.0)]
    x = [np.array(c + 0.05 * rng.normal(size=(200, 1))) for c in (-1.0, 1.0)]
    windows = [Window(f"{c}", b, (one,), (np.zeros((200, 0)),))
               for c, b, one in zip((-1, 1), bias, x, strict=True)]  # fmt: skip
    states = Partition.from_boxes({"left": {"x": (-np.inf, 0.0)}}, ("x",), np.array([False]))
    done = join(windows, GRID, ("x",), (), np.array([False]), states)
    assert any("windows -1 and 1 overlap by" in why for why in done.estimate.ungrounded)
    assert np.isnan(done.estimate.stderr_kT).all()
    few = harmonic(rng, 12)
    assert any("effective samples" in why for why in few.estimate.ungrounded)


def test_what_walkers_of_a_window_never_forget_is_found() -> None:
    """A column beside the CV in which the two of each window differ; twin: one in which none do."""
    rng = np.random.default_rng(8)
    stuck = harmonic(rng, 400, lambda k: 0.7 * k + chain(rng, 400, 3.0))
    assert any("y differs between its stretches or files" in w for w in stuck.estimate.ungrounded)
    assert np.isnan(stuck.estimate.stderr_kT).all()
    free = harmonic(rng, 400, lambda k: chain(rng, 400, 3.0))
    assert not free.estimate.ungrounded
    assert np.isfinite(free.estimate.states["rest"].stderr_kT or np.nan)


def test_hills_of_plumed_are_a_bias_like_any(tmp_path: Path) -> None:
    """F of an angle from samples under the final bias; heights are written as F has them."""
    rng = np.random.default_rng(5)
    gamma, at = 6.0, rng.uniform(-np.pi, np.pi, 80)
    height = rng.uniform(0.7, 1.5, 80)
    rows = [f"{t} {s:.6f} 0.35 {h * gamma / (gamma - 1):.8f} {gamma}"
            for t, (s, h) in enumerate(zip(at, height, strict=True))]  # fmt: skip
    head = "#! FIELDS time phi sigma_phi height biasf\n#! SET min_phi -pi\n#! SET max_phi pi\n"
    (tmp_path / "HILLS").write_text(head + "\n".join(rows) + "\n")
    fine = np.linspace(-np.pi, np.pi, 5_001)[:-1]
    d = fine[:, None] - at
    d -= 2 * np.pi * np.round(d / (2 * np.pi))
    bias = (height * np.exp(-0.5 * (d / 0.35) ** 2)).sum(1) / KT
    f = 2.5 * np.cos(fine) + np.sin(2 * fine)
    p = np.exp(-f - bias)
    drawn = rng.choice(fine, size=3000, p=p / p.sum())
    lines = [f"{t} {x:.6f} 0.0" for t, x in enumerate(drawn)]
    colvar = "#! FIELDS time phi metad.bias\n" + "\n".join(lines) + "\n5"  # cut short
    (tmp_path / "COLVAR").write_text(colvar)
    section = {
        "temperature": "300 K",
        "cvs": {"phi": {"unit": "rad", "periodic": True, "bins": 24}},
        "windows": [{"files": "COLVAR", "hills": "HILLS"}],
    }
    (tmp_path / "metad.yaml").write_text(yaml.safe_dump(section))
    import_windows(tmp_path / "metad.yaml")
    found = read_result(tmp_path / "metad").estimate
    q, _ = np.histogram(fine, bins=np.linspace(-np.pi, np.pi, 25), weights=np.exp(-f))
    z = (found.f_kT + np.log(q / q.max())) / found.stderr_kT
    z = z[np.isfinite(z)]
    z -= z.mean()
    assert np.sqrt(np.mean(z**2)) < 1.8


def test_a_distance_by_gromacs_is_read(tmp_path: Path) -> None:
    """An .xvg with its comments, two files of one window, a share discarded."""
    rng = np.random.default_rng(6)
    rows = "\n".join(f"{t} {x:.5f}" for t, x in enumerate(0.5 + 0.05 * rng.normal(size=400)))
    text = '# gmx\n@    title "Pull COM"\n@ s0 legend "1"\n' + rows + "\n&\n"
    for name in ("a.xvg", "b.xvg"):
        (tmp_path / name).write_text(text)
    section = {
        "temperature": "300 K",
        "cvs": {"d": {"unit": "nm", "range": ["0.2 nm", "0.8 nm"], "bins": 12}},
        "springs": {"unit": "kJ/mol/nm^2"},
        "windows": [{"files": ["a.xvg", "b.xvg"], "centre": {"d": "5 A"}, "spring": {"d": 900}}],
        "discard": "25 %",
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(section))
    assert "imported: 1 windows, 600 samples" in import_windows(tmp_path / "x.yaml")


def test_what_the_page_shows_is_understood(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "importing.md").read_text()
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 3
    for text in shown:
        (tmp_path / "w.yaml").write_text(text)
        assert read_windows(tmp_path / "w.yaml").kT > 2.4
    keys = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert keys | {"temperature", "angles"} == set(Windows.model_fields)


@pytest.mark.parametrize(
    ("changes", "path", "what"),
    [
        ({"temperature": 300}, "temperature", "unit is missing"),
        ({"cvs": {}}, "cvs", "at least 1"),
        ({"cvs": {"r": {"unit": "A"}}}, "cvs.r", "has no range"),
        ({"cvs": {"r": {"unit": "furlong"}}}, "cvs.r.unit", "should be"),
        ({"cvs": {"r": {"unit": "A", "range": ["9 A", "2 A"]}}}, "cvs.r", "low"),
        ({"cvs": {"r": {"unit": "nm", "periodic": True}}}, "cvs.r", "only angles wrap"),
        ({"springs": None}, "springs", "is missing"),
        ({"springs": {"unit": "stone/yard^2"}}, "springs.unit", "no unit of a spring"),
        ({"springs": {"unit": "kcal/mol/rad^2"}}, "springs.unit", "is no spring's of r, in A"),
        ({"springs": {"unit": {"q": "kcal/mol/A^2"}}}, "springs.unit", "is no spring's of r"),
        ({"windows": "no.dat"}, "windows", "cannot be read"),
        ({"windows": "w0.dat"}, "windows", "is not: file, 1 centre(s)"),
        ({"windows": [{"files": "no.dat"}]}, "file", "cannot be read"),
        ({"windows": [{"files": "w0.dat", "centre": {"r": 3}}]}, "windows[0].spring", "without"),
        ({"windows": [{"files": "w0.dat", "centre": {"r": "3 deg"}, "spring": {"r": 1}}]},
         "windows[0].centre.r", "angle where a length"),
        ({"windows": [{"files": "w0.dat", "centre": {"q": 3}, "spring": {"q": 1}}]}, "cvs",
         "no CV is called q"),
        ({"cvs": {"r": {**SECTION["cvs"]["r"], "column": 7}}}, "file", "has 2 columns"),
        ({"cvs": {"r": {**SECTION["cvs"]["r"], "column": "d1"}}}, "file", "no column of that name"),
        ({"discard": 5000}, "discard", "5000 are discarded"),
        ({"color": 1}, "color", "unknown key"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_told(
    changes: dict[str, Any], path: str, what: str, folder: Path
) -> None:
    given = {k: v for k, v in {**SECTION, **changes}.items() if v is not None}
    (folder / "wrong.yaml").write_text(yaml.safe_dump(given))
    with pytest.raises(CampaignError) as caught:
        import_windows(folder / "wrong.yaml")
    (problem,) = caught.value.problems
    assert dotted(problem.path) == path
    assert what in problem.problem
    assert problem.remedy
