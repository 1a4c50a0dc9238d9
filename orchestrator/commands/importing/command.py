"""``msgen import``: from the files of other programs to a result like one of our own runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msgen.actors.cv_space.extended_variable import wrap
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Cost
from msgen.orchestrator.commands.importing.bias import KERNELS, Bias, Hills, Spring
from msgen.orchestrator.commands.importing.columns import Table, read_table
from msgen.orchestrator.commands.importing.joined import Joined, Window, join
from msgen.orchestrator.commands.importing.section import (
    DIMENSIONS,
    ImportedWindow,
    Unit,
    Windows,
    centre_of,
    read_windows,
)
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.reporting.plots import drawable, png, surface_figure
from msgen.orchestrator.reporting.progress import result_lines
from msgen.orchestrator.reporting.results import CVInfo, Result, RunHeader, write_result
from msgen.orchestrator.reporting.tables import write_tables
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.schema.problems import CampaignError, Problem
from msgen.orchestrator.schema.units import UnitError
from msgen.systems.base import Array


def import_windows(path: Path, output: Path | None = None) -> str:
    """Read windows, join them, write ``results/`` and say in words what came out.

    Parameters
    ----------
    path : Path
        The file that says where they are; files are found relative to it.
    output : Path, optional
        Folder that ``results/`` is written to; by default the file's name without its ending.

    Raises
    ------
    CampaignError
        Naming the field or the file, and the remedy.
    """
    asked = read_windows(path)
    base = path.resolve().parent
    given = _metadata(asked, base, path) if isinstance(asked.windows, str) else asked.windows
    names, periodic = tuple(asked.cvs), np.array([c.periodic for c in asked.cvs.values()])
    watched: tuple[str, ...] | None = None
    windows = []
    for k, window in enumerate(given):
        tables = [read_table(base / file) for file in window.paths]
        if watched is None:
            watched = _watched(asked, tables[0])
        windows.append(_window(asked, window, tables, watched, base, path, k))
    assert watched is not None
    grid = Grid.regular(
        tuple(c.bounds for c in asked.cvs.values()),
        tuple(c.bins for c in asked.cvs.values()),
        tuple(bool(p) for p in periodic),
    )
    regions = {
        name: {cv: (lo.value, hi.value) for cv, (lo, hi) in region.items()}
        for name, region in asked.states.items()
    }
    turning = np.array([name in asked.angles for name in watched], dtype=bool)
    angles = np.concatenate([periodic, turning])
    done = join(
        windows, grid, names, watched, angles, Partition.from_boxes(regions, names, periodic)
    )
    header = RunHeader(
        path.stem,
        asked.temperature,
        asked.kT,
        tuple(CVInfo(n, c.periodic, _unit(c.unit)) for n, c in asked.cvs.items()),
        regions,
    )
    number = sum(len(x) for w in windows for x in w.walkers)
    reason = f"imported: {len(windows)} windows, {number:,} samples"
    result = Result(header, "exhausted", reason, done.estimate, Cost())
    folder = path.with_suffix("") if output is None else output
    folder.mkdir(parents=True, exist_ok=True)
    write_result(folder, result)
    write_tables(folder, result)
    if drawable(done.estimate):
        write_atomic(folder / "results" / "free_energy.png", png(surface_figure(result)))
    return _told(result, done, windows, watched, folder)


def _unit(unit: Unit) -> str:
    return {"length": "nm", "angle": "rad"}.get(DIMENSIONS[unit], "1")


def _wrong(
    path: Path, where: tuple[str | int, ...], value: object, what: str, remedy: str
) -> CampaignError:
    return CampaignError(str(path), [Problem(where, value, what, remedy)])


def _metadata(asked: Windows, base: Path, path: Path) -> list[ImportedWindow]:
    """WHAM's metadata file: file, centre of each CV, spring of each CV; a spring of 0 is none.

    It may have more: a correlation time, which is found from the samples here, and a temperature,
    which has to be that of all.
    """
    assert isinstance(asked.windows, str)
    try:
        lines = (base / asked.windows).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        remedy = f"Files are found relative to {base}"
        raise _wrong(
            path, ("windows",), asked.windows, f"cannot be read ({error.strerror})", remedy
        ) from None
    count, out = len(asked.cvs), []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            numbers = [float(w) for w in words[1 : 1 + 2 * count]]
        except ValueError:
            numbers = []
        if len(numbers) < 2 * count:
            what = f"line {number} is not: file, {count} centre(s), {count} spring(s)"
            raise _wrong(path, ("windows",), line.strip(), what, "Write it as WHAM reads it")
        if min(numbers[count:]) < 0:
            what = f"line {number} has a negative spring"
            raise _wrong(path, ("windows",), line.strip(), what, "Write 0 where there is none")
        if _is_another(words[2 + 2 * count :], asked.temperature):
            what = f"line {number} is of another temperature than {asked.temperature:g} K"
            remedy = "Join windows of one temperature only"
            raise _wrong(path, ("windows",), line.strip(), what, remedy)
        held = [c for c in range(count) if numbers[count + c] > 0]
        names = list(asked.cvs)
        out.append(
            ImportedWindow(
                files=words[0],
                centre={names[c]: numbers[c] for c in held},
                spring={names[c]: numbers[count + c] for c in held},
            )
        )
    if not out:
        raise _wrong(path, ("windows",), asked.windows, "names no window", "Give one a line")
    return out


def _is_another(words: list[str], temperature: float) -> bool:
    """Whether the first is another temperature, beyond what files round it to."""
    try:
        return bool(words) and not abs(float(words[0]) - temperature) < 0.1
    except ValueError:
        return False


def _watched(asked: Windows, table: Table) -> tuple[str, ...]:
    if isinstance(asked.watch, dict):
        return tuple(asked.watch)
    own = [c.column if isinstance(c.column, str) else n for n, c in asked.cvs.items()]
    return table.watchable(own) if asked.watch == "all" else ()


def _window(
    asked: Windows, window: ImportedWindow, tables: list[Table], watched: tuple[str, ...],
    base: Path, path: Path, k: int,
) -> Window:  # fmt: skip
    walkers, others = [], []
    periodic = np.array([c.periodic for c in asked.cvs.values()])
    for table in tables:
        columns = []
        for c, (name, cv) in enumerate(asked.cvs.items()):
            column = cv.column or (name if name in table.names else c + 2)
            columns.append(cv.factor * table.column(column))
        asked_of = asked.watch if isinstance(asked.watch, dict) else {n: n for n in watched}
        seen = [table.column(asked_of[n]) for n in watched]
        first = asked.discard
        skip = first if isinstance(first, int) else int(first * len(table.rows))
        if len(table.rows) - skip < 2:
            what = f"{table.path.name} has {len(table.rows)} rows, and {skip} are discarded"
            raise _wrong(path, ("discard",), first, what, "Discard fewer")
        # files have angles within 0…360°, too
        xi = np.column_stack(columns)[skip:]
        walkers.append(np.where(periodic, wrap(xi), xi))
        others.append(np.column_stack([np.zeros((len(table.rows), 0)), *seen])[skip:])
    bias, label = _bias(asked, window, base, path, k)
    return Window(label, bias, tuple(walkers), tuple(others))


def _bias(
    asked: Windows, window: ImportedWindow, base: Path, path: Path, k: int
) -> tuple[Bias, str]:
    periodic = np.array([c.periodic for c in asked.cvs.values()])
    if window.hills is not None:
        return _hills(asked, base / window.hills), window.hills
    centre, kappa, told = np.zeros(len(periodic)), np.zeros(len(periodic)), []
    for c, (name, cv) in enumerate(asked.cvs.items()):
        if name not in window.centre:
            continue
        try:
            centre[c] = centre_of(window.centre[name], cv)
        except UnitError as error:
            where = ("windows", k, "centre", name)
            raise _wrong(path, where, window.centre[name], error.problem, error.remedy) from None
        assert asked.springs is not None
        kappa[c] = asked.springs.in_kT(asked.kT, name) * window.spring[name]
        told.append(
            f"{name} = {centre[c] / cv.factor:.4g}{'' if cv.unit == '1' else ' ' + cv.unit}"
        )
    return Spring(centre, kappa, periodic), ", ".join(told) or f"{k} (not restrained)"


def _hills(asked: Windows, file: Path) -> Hills:
    """PLUMED writes heights of well-tempered hills as F has them: γ/(γ − 1) times the bias's.

    A file that names a kernel is of PLUMED 2, whose hills end; since 2.8 they fall to 0 there.
    """
    table = read_table(file)
    names = list(asked.cvs)
    height = table.column("height") / asked.kT
    if "biasf" in table.names:
        gamma = table.column("biasf")
        height = np.where(gamma > 1, height * (gamma - 1.0) / np.maximum(gamma, 1.0), height)
    of = [cv.column if isinstance(cv.column, str) else n for n, cv in asked.cvs.items()]
    factors = np.array([cv.factor for cv in asked.cvs.values()])

    def columns(prefix: str) -> Array:
        return np.asarray(np.column_stack([table.column(prefix + n) for n in of]) * factors)

    periodic = np.array([asked.cvs[n].periodic for n in names])
    kernel = table.constants.get("kerneltype")
    if kernel not in (None, *KERNELS):
        what = f"{file.name} has hills of kerneltype {kernel}"
        raise _wrong(file, ("file",), file.name, what, f"Known are {' and '.join(KERNELS)}")
    return Hills(columns(""), columns("sigma_"), height, periodic, kernel)


def _told(
    result: Result, done: Joined, windows: list[Window], watched: tuple[str, ...], folder: Path
) -> str:
    weakest = done.estimate.diagnostics["windows"]["weakest_link"]
    lines = [
        f"{result.reason}, {done.effective.min():.0f} effective ones at the least in a window",
        *(
            f"  window {w.label}: F = {f:.3f} kT, {sum(map(len, w.walkers)):,} samples, "
            f"{e:.0f} effective"
            for w, f, e in zip(windows, done.f, done.effective, strict=True)
        ),
        "" if weakest is None else f"  weakest link between windows: overlap {weakest:.3f}",
        *result_lines(done.estimate),
        f"  looked at for slowness: {', '.join([*result.estimate.axes, *watched])}",
        f"  results: {folder / 'results'}",
    ]
    return "\n".join(line for line in lines if line)
