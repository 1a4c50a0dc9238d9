"""Big walkers lie in files: they come back as they were, and no sample depends on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from places import CONFIGS

from msgen.actors.base import encode
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles.registry import ROLES
from msgen.actors.walker_files import KINDS, NAME, START, START_WITHOUT_BOX, Shelf
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store
from msgen.systems.base import Walkers


def some(n: int, seed: int) -> Walkers:
    rng = np.random.default_rng(seed)
    return Walkers(rng.normal(size=(n, 9)), rng.normal(size=(n, 9)), rng.normal(size=(n, 3, 3)))


def of(rows: WalkerRows) -> NDArray[np.int64]:
    assert rows.shelf is not None
    return rows.shelf


def test_walkers_come_back_in_any_order_and_several_times(tmp_path: Path) -> None:
    shelf, a, b = Shelf(tmp_path), some(2, 1), some(3, 2)
    table = WalkerRows.join([shelf.put((4, "sample", 0), a), shelf.put((4, "sample", 7), b)])
    picked = table.take(np.array([4, 0, 0]))
    back = shelf.get(of(picked), a)
    for name in ("positions", "velocities", "box"):
        one, two = getattr(a, name), getattr(b, name)
        assert np.array_equal(getattr(back, name), np.stack([two[2], one[0], one[0]]))
    assert shelf.get(of(picked.without_velocities()), a).velocities is None
    assert shelf.get(of(picked), a).velocities is not None  # the first table is as it was
    assert np.isfinite(shelf.put((4, "sample", 0), a).sound).all()
    a.positions[1, 2] = np.nan
    assert np.isnan(shelf.put((5, "sample", 0), a).sound).all()
    start = shelf.get(START, b)
    assert np.array_equal(start.positions, b.positions[:1])
    assert start.box is not None
    assert shelf.get(START_WITHOUT_BOX, b).box is None


def test_every_role_has_files_of_its_own_and_so_has_a_role_of_a_plug_in(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    kinds = [*ROLES, "replica_exchange_with_solute_tempering", "mine", "my/own", "überwachen"]
    made = {kind: some(2, i) for i, kind in enumerate(kinds)}
    tables = {kind: shelf.put((3, kind, 0), walkers) for kind, walkers in made.items()}
    assert len(list(tmp_path.glob("3/*"))) == len(kinds)
    # as another process finds them, with nothing but what is in the table
    again = Shelf(tmp_path)
    back = again.get(of(WalkerRows.join([WalkerRows(shelf=START), *tables.values()])), some(1, 99))
    wanted = np.concatenate([some(1, 99).positions, *(w.positions for w in made.values())])
    assert np.array_equal(back.positions, wanted)
    again.prune(3, (encode({"walkers": tables["mine"], "pool": [tables["bias"]]}),))
    assert len(list(tmp_path.glob("3/*"))) == 2
    assert np.array_equal(again.get(of(tables["mine"]), made["mine"]).box, made["mine"].box)


def test_numbers_in_tables_of_older_runs_mean_what_they_meant(tmp_path: Path) -> None:
    assert KINDS[:3] == ("start", "explore", "sample")
    table = of(Shelf(tmp_path).put((7, "sample", 5), some(2, 0)))
    assert table.tolist() == [[7, 2, 5, 0, 1], [7, 2, 5, 1, 1]]
    assert (tmp_path / "7" / "sample-5.npz").exists()
    # and that of a role which nobody here knows does not change from release to release
    plug_in = of(Shelf(tmp_path).put((7, "mine", 0), some(1, 0)))
    assert plug_in[0, 1] == -17964943085027170


def test_what_nobody_mentions_is_deleted_but_not_what_is_being_written(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    tables = {
        (rnd, k): shelf.put((rnd, "sample", k), some(1, rnd)) for rnd in (1, 2, 3) for k in (0, 1)
    }
    # one rests since round 1; round 3 is not committed yet
    rows = WalkerRows.join([tables[2, 0], tables[1, 1]])
    now = encode({"walkers": rows, "other": [1, 2]})
    shelf.prune(2, (now, {}))
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("*/*"))
    assert left == ["1/sample-1.npz", "2/sample-0.npz", "3/sample-0.npz", "3/sample-1.npz"]
    shelf.prune(3, (encode({"walkers": tables[3, 0]}), {}))
    assert [p.name for p in tmp_path.glob("*")] == ["3"]
    with pytest.raises(FileNotFoundError):
        shelf.get(of(tables[1, 0]), some(1, 0))


def run(where: Path, walkers: str, rounds: int, *more: str) -> Path:
    sets = ("replicas=4", "strategy.local.steps=100", "model={kind: spline_flow, hidden: [8]}",
            "output.tensorboard=false", f"output.walkers={walkers}",
            f"budget.rounds={rounds}", *more)  # fmt: skip
    options = [part for text in sets for part in ("--set", text)]
    campaign = str(CONFIGS / "alanine_dipeptide.yaml")
    code = main_run([campaign, "--executor", "inline", "--output-dir", str(where), *options])
    assert code == 3
    return where / "alanine-dipeptide"


@pytest.mark.slow
def test_the_samples_are_the_same_and_checkpoints_hold_no_coordinates(tmp_path: Path) -> None:
    inline = run(tmp_path / "inline", "inline", 5)
    run(tmp_path / "files", "files", 3)
    files = run(tmp_path / "files", "files", 5)  # resumed
    assert Store(files / "store.zarr").digest == Store(inline / "store.zarr").digest
    states = [Checkpoints(d / "checkpoints").load(4)[1]["strategy"] for d in (inline, files)]
    trees = [state["strategy"] for state in states]
    assert set(trees[0]["walkers"]) == {"positions", "velocities"}
    assert set(trees[1]["walkers"]) == {NAME}
    assert trees[1]["walkers"][NAME].shape == (4, 5)
    rounds = {int(p.name) for p in (files / "walkers").glob("*")}
    assert rounds <= {3, 4}  # what the two checkpoints mention
    assert not (inline / "walkers").exists()


def test_a_checkpoint_to_fall_back_on_keeps_its_walkers_after_a_resume(tmp_path: Path) -> None:
    local = "strategy={kind: local, local: {kind: langevin, steps: 20}}"
    inline = run(tmp_path / "inline", "inline", 5, local)
    for rounds in (3, 4):
        files = run(tmp_path / "files", "files", rounds, local)
    (files / "checkpoints" / "3" / "state.npz").write_bytes(b"torn")
    assert run(tmp_path / "files", "files", 5, local) == files
    assert any(e["event"] == "damaged" for e in EventLog(files / "events.jsonl").read())
    assert Store(files / "store.zarr").digest == Store(inline / "store.zarr").digest
