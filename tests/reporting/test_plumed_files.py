"""What PLUMED reads of a run: a bias on its grid points, and samples with their weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plumed_reader import PlumedError, read_external, read_fields
from reporting import DISTANCE, KT, PHI, PSI, result

from msgen.orchestrator.reporting.plumed import colvar_lines, on_grid
from msgen.orchestrator.reporting.results import CVInfo, Result
from msgen.orchestrator.reporting.samples import Samples
from msgen.orchestrator.reporting.tables import write_tables

GRIDS = [(PHI,), (DISTANCE,), (PHI, PSI), (DISTANCE, PHI), (PHI, PSI, DISTANCE)]


def written(folder: Path, r: Result) -> dict[str, Path]:
    return {p.name: p for p in write_tables(folder, r)}


def arguments(cvs: tuple[CVInfo, ...]) -> dict[str, bool]:
    return {cv.name: cv.periodic for cv in cvs}


def known(r: Result) -> Result:
    """Without the bin that was never visited."""
    f = r.estimate.f_kT.copy()
    f.flat[3] = f.flat[2]
    return replace(r, estimate=replace(r.estimate, f_kT=f))


@pytest.mark.parametrize("cvs", GRIDS)
def test_external_reads_the_bias_that_flattens_the_surface(
    cvs: tuple[CVInfo, ...], tmp_path: Path
) -> None:
    r = known(result(cvs))
    found = read_external(written(tmp_path, r)["bias.dat"], "external", arguments(cvs))
    f = r.estimate.f_kT
    assert found.values.shape == f.shape
    # at a border of a bin, the mean of both sides of it
    expected = f.max() - f
    for k, cv in enumerate(cvs):
        if cv.periodic:
            expected = 0.5 * (expected + np.roll(expected, 1, k))
            assert found.points[k][0] == pytest.approx(-np.pi)
        else:
            np.testing.assert_allclose(found.points[k], r.estimate.axes[cv.name], atol=1e-9)
    np.testing.assert_allclose(found.values, KT * expected, atol=1e-8)


@pytest.mark.parametrize("cvs", [(PHI,), (DISTANCE,), (PHI, PSI), (DISTANCE, PHI)])
def test_slopes_are_those_of_the_values(cvs: tuple[CVInfo, ...], tmp_path: Path) -> None:
    """Against the derivative of what the surface was made of, on a fine grid."""
    r = result(cvs, n=72)
    f = sum(
        (2 + i) * np.sin(a + 0.3 * i).reshape([-1 if d == i else 1 for d in range(len(cvs))])
        for i, a in enumerate(r.estimate.axes.values())
    )
    r = replace(r, estimate=replace(r.estimate, f_kT=f - f.min()))
    found = read_external(written(tmp_path, r)["bias.dat"], "external", arguments(cvs))
    for i, (points, slope) in enumerate(zip(found.points, found.slopes, strict=True)):
        exact = -KT * (2 + i) * np.cos(points + 0.3 * i)
        shape = [-1 if d == i else 1 for d in range(len(cvs))]
        off = np.abs(slope - exact.reshape(shape))
        inner = [slice(1, -1) if d == i and not cvs[i].periodic else slice(None)
                 for d in range(len(cvs))]  # fmt: skip
        assert off[tuple(inner)].max() < 0.02
        assert off.max() < 0.1


@pytest.mark.parametrize("cvs", GRIDS)
def test_the_surface_is_what_the_bias_takes_away(cvs: tuple[CVInfo, ...], tmp_path: Path) -> None:
    """In kJ/mol, slopes and all: F of a grid point is max F less the bias there."""
    r = known(result(cvs))
    files = written(tmp_path, r)
    fes, bias = (read_fields(files[name]).columns for name in ("fes.dat", "bias.dat"))
    top = KT * r.estimate.f_kT.max()
    np.testing.assert_allclose(fes["file.free"], top - bias["external.bias"], atol=1e-8)
    for cv in cvs:
        np.testing.assert_allclose(fes[f"der_{cv.name}"], -bias[f"der_{cv.name}"], atol=1e-8)
        assert np.abs(fes[f"der_{cv.name}"]).max() > 1.0


def test_what_was_never_visited_is_inf_in_the_one_and_flat_in_the_other(tmp_path: Path) -> None:
    r = result((PHI, DISTANCE))
    files = written(tmp_path, r)
    fes = read_fields(files["fes.dat"])
    assert list(fes.columns) == ["phi", "d", "file.free", "der_phi", "der_d", "err"]
    # one bin, on the border of two points
    assert np.isinf(fes.columns["file.free"]).sum() == 2
    rest = np.isfinite(fes.columns["file.free"])
    grid = on_grid(r.estimate.stderr_kT, list(r.estimate.axes.values()), [True, False])
    errors = np.sort(KT * grid.values[np.isfinite(grid.values)])
    np.testing.assert_allclose(np.sort(fes.columns["err"][rest]), errors, atol=1e-8)
    bias = read_external(files["bias.dat"], "external", arguments((PHI, DISTANCE)))
    assert bias.values.min() >= 0.0
    lines = files["fes.dat"].read_text().splitlines()
    assert sum(line == "" for line in lines) == 10


def test_a_surface_of_nothing_has_no_bias(tmp_path: Path) -> None:
    r = result((PHI,))
    blank = np.full_like(r.estimate.f_kT, np.nan)
    none = replace(r, estimate=replace(r.estimate, f_kT=blank, stderr_kT=blank))
    assert set(written(tmp_path, none)) == {"fes.csv", "fes.dat"}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("min_phi -pi", "min_phi -3.141592654", "periods of values"),
        ("nbins_d 11", "nbins_d 10", "off the grid points"),
        ("der_phi der_d", "der_phi der_x", "missing derivatives"),
        ("external.bias", "file.free", "no column labelled"),
        ("FIELDS phi d", "FIELDS d phi", "not in same order"),
    ],
)
def test_twins_that_plumed_would_refuse(old: str, new: str, why: str, tmp_path: Path) -> None:
    """The grid file of before had bin centres of an angle, a bin too few, and no slopes."""
    path = written(tmp_path, known(result((PHI, DISTANCE))))["bias.dat"]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(PlumedError, match=why):
        read_external(path, "external", arguments((PHI, DISTANCE)))


def test_an_error_column_is_one_that_external_does_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, known(result((PHI,))))["fes.dat"]
    path.write_text(path.read_text().replace("file.free", "external.bias"))
    with pytest.raises(PlumedError, match="were not read"):
        read_external(path, "external", {"phi": True})


def test_colvar_has_the_samples_that_weigh_anything(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight = rng.dirichlet(np.ones(10))
    weight[[2, 5]] = 0.0
    weight /= weight.sum()
    x = rng.uniform(-3, 3, (10, 2))
    of = np.arange(10)
    samples = Samples(of, of % 3, weight, x, None, np.zeros(0, dtype=np.int64))
    path = tmp_path / "COLVAR"
    path.write_text("\n".join(colvar_lines(result((PHI, DISTANCE)), samples)) + "\n")
    read = read_fields(path)
    kept = weight > 0
    assert list(read.columns) == ["time", "phi", "d", "weight", "logweight", "replica", "round"]
    assert read.constants == {"min_phi": "-pi", "max_phi": "pi"}
    np.testing.assert_allclose(read.columns["d"], x[kept, 1], rtol=1e-8)
    np.testing.assert_allclose(np.exp(read.columns["logweight"]), weight[kept], rtol=1e-7)
    assert read.columns["weight"].sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(read.columns["time"], np.arange(8))
