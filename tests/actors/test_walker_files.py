"""Big walkers lie in files: they come back as they were, and no sample depends on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from places import CONFIGS

from msgen.actors.walker_files import NAME, START, Shelf
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.strategies.common.walker_rows import bare, joined, rows
from msgen.systems.base import Walkers


def some(n: int, seed: int) -> Walkers:
    rng = np.random.default_rng(seed)
    return Walkers(rng.normal(size=(n, 9)), rng.normal(size=(n, 9)), rng.normal(size=(n, 3, 3)))


def test_walkers_come_back_in_any_order_and_several_times(tmp_path: Path) -> None:
    shelf, a, b = Shelf(tmp_path), some(2, 1), some(3, 2)
    table = joined([shelf.put((4, "sample", 0), a), shelf.put((4, "sample", 7), b)])
    picked = rows(table, np.array([4, 0, 0]))
    back = shelf.get(picked[NAME], a)
    for name in ("positions", "velocities", "box"):
        one, two = getattr(a, name), getattr(b, name)
        assert np.array_equal(getattr(back, name), np.stack([two[2], one[0], one[0]]))
    assert shelf.get(bare(picked)[NAME], a).velocities is None
    assert shelf.get(picked[NAME], a).velocities is not None  # the first table is as it was
    assert np.isfinite(shelf.put((4, "sample", 0), a)["sound"]).all()
    a.positions[1, 2] = np.nan
    assert np.isnan(shelf.put((5, "sample", 0), a)["sound"]).all()
    start = shelf.get(START, b)
    assert np.array_equal(start.positions, b.positions[:1])


def test_what_nobody_mentions_is_deleted_but_not_what_is_being_written(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    tables = {
        (rnd, k): shelf.put((rnd, "sample", k), some(1, rnd)) for rnd in (1, 2, 3) for k in (0, 1)
    }
    # one rests since round 1; round 3 is not committed yet
    now = {"walkers": joined([tables[2, 0], tables[1, 1]]), "other": [1, 2]}
    shelf.prune(2, (now, {}))
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("*/*"))
    assert left == ["1/sample-1.npz", "2/sample-0.npz", "3/sample-0.npz", "3/sample-1.npz"]
    shelf.prune(3, ({"walkers": tables[3, 0]}, {}))
    assert [p.name for p in tmp_path.glob("*")] == ["3"]
    with pytest.raises(FileNotFoundError):
        shelf.get(tables[1, 0][NAME], some(1, 0))


def run(where: Path, walkers: str, rounds: int) -> Path:
    sets = ("replicas=4", "strategy.local.steps=100", "model={kind: spline_flow, hidden: [8]}",
            "output.tensorboard=false", f"output.walkers={walkers}",
            f"budget.rounds={rounds}")  # fmt: skip
    options = [part for text in sets for part in ("--set", text)]
    campaign = str(CONFIGS / "alanine_dipeptide.yaml")
    code = main_run([campaign, "--executor", "inline", "--output-dir", str(where), *options])
    assert code == 3
    return where / "alanine-dipeptide"


def test_the_samples_are_the_same_and_checkpoints_hold_no_coordinates(tmp_path: Path) -> None:
    inline = run(tmp_path / "inline", "inline", 5)
    run(tmp_path / "files", "files", 3)
    files = run(tmp_path / "files", "files", 5)  # resumed
    assert Store(files / "store.zarr").digest == Store(inline / "store.zarr").digest
    trees = [Checkpoints(d / "checkpoints").load(4)[1]["strategy"] for d in (inline, files)]
    assert set(trees[0]["walkers"]) == {"positions", "velocities"}
    assert set(trees[1]["walkers"]) == {NAME}
    assert trees[1]["walkers"][NAME].shape == (4, 5)
    rounds = {int(p.name) for p in (files / "walkers").glob("*")}
    assert rounds <= {3, 4}  # what the two checkpoints mention
    assert not (inline / "walkers").exists()
