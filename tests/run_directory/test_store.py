"""The store: what was committed is there, what was not is gone, and readers need not wait."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from msgen.actors.base import Segment
from msgen.orchestrator.run_directory.sample_arrays import StoreError
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.run_directory.store_check import DIGESTS
from msgen.orchestrator.run_directory.store_files import complete


def segments(rnd: int, n: int = 5) -> list[Segment]:
    rng = np.random.default_rng(rnd)
    made = []
    for replica in range(3):
        samples = {
            "cvs": rng.normal(size=(n + replica, 2)),
            "accepted": rng.integers(0, 2, size=n).astype(bool),
        }
        made.append(Segment((rnd, "sample", replica), samples))
    if rnd % 2:
        made.append(Segment((rnd, "steer", 0), {"work": rng.normal(size=4)}))
    return made


def filled(path: Path, rounds: int) -> Store:
    store = Store(path / "store.zarr", "w")
    for rnd in range(rounds):
        store.append(rnd, segments(rnd))
        store.commit()
    return store


def content(store: Store) -> dict[str, object]:
    held = {name: store.read(name).tobytes() for name in store.names()}
    return {**held, "index": store.index().tobytes(), "digest": store.digest}


def test_everything_comes_back_in_key_order_and_the_index_finds_it(tmp_path: Path) -> None:
    filled(tmp_path, 4)
    store = Store(tmp_path / "store.zarr")
    assert store.last_round == 3
    assert store.names() == ("sample/accepted", "sample/cvs", "steer/work")
    expected = np.concatenate([s.samples["cvs"] for r in range(4) for s in segments(r)[:3]])
    assert np.array_equal(store.read("sample/cvs"), expected)
    third = np.concatenate([s.samples["cvs"] for s in segments(2)[:3]])
    assert np.array_equal(store.read("sample/cvs", 2, 2), third)
    for rnd, array, replica, start, stop in store.index():
        name = store.names()[array]
        kind, short = name.split("/")
        source = {s.key: s for s in segments(int(rnd))}[(int(rnd), kind, int(replica))]
        assert np.array_equal(store.read(name)[start:stop], source.samples[short])
    index = zarr.open_group(str(tmp_path / "store.zarr"), mode="r")["index"]
    assert index.attrs["arrays"] == list(store.names())


def test_what_was_not_committed_is_cut_off(tmp_path: Path) -> None:
    want = content(filled(tmp_path / "a", 4))
    store = filled(tmp_path / "b", 1)
    store.append(1, segments(1, n=50))  # brings a new array, and is never committed
    assert Store(tmp_path / "b" / "store.zarr").names() == ("sample/accepted", "sample/cvs")
    store = Store(tmp_path / "b" / "store.zarr", "w")
    assert not (tmp_path / "b" / "store.zarr" / "steer").exists()
    on_disk = zarr.open_group(str(tmp_path / "b" / "store.zarr"), mode="r")["sample/cvs"]
    assert on_disk.shape == (18, 2)  # for who reads the arrays without the records
    for rnd in range(1, 4):
        store.append(rnd, segments(rnd))
        store.commit()
    assert content(store) == want


@pytest.mark.parametrize("keep", [-1, 0, 1, 2])
def test_truncating_gives_the_shorter_campaign(tmp_path: Path, keep: int) -> None:
    want = content(filled(tmp_path / "a", keep + 1))
    store = filled(tmp_path / "b", 4)
    store.truncate(keep)
    assert content(store) == want
    assert content(Store(tmp_path / "b" / "store.zarr", "w")) == want


def test_a_torn_commit_record_is_no_commit(tmp_path: Path) -> None:
    want = content(filled(tmp_path / "a", 2))
    filled(tmp_path / "b", 3)
    commits = tmp_path / "b" / "commits.jsonl"
    commits.write_bytes(commits.read_bytes()[:-20])
    store = Store(tmp_path / "b" / "store.zarr", "w")
    assert content(store) == want
    assert commits.read_bytes().count(b"\n") == 2


def test_lost_data_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    meta = tmp_path / "store.zarr" / "sample" / "cvs" / "zarr.json"
    described = json.loads(meta.read_text())
    described["shape"][0] -= 1
    meta.write_text(json.dumps(described))
    with pytest.raises(StoreError, match="where 36 were committed"):
        Store(tmp_path / "store.zarr", "w")


def test_a_reader_sees_whole_rounds_while_the_writer_works(tmp_path: Path) -> None:
    store = filled(tmp_path, 1)
    reader = Store(tmp_path / "store.zarr")
    before = content(reader)
    store.append(1, segments(1))
    assert content(reader) == before
    store.commit()
    assert reader.last_round == 1
    assert content(reader) == content(store)


def test_nan_infinities_zeros_and_empty_segments_survive(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.zarr", "w")
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])
    store.append(0, [Segment((0, "s", 0), {"x": odd, "z": np.zeros((3, 2)), "e": np.zeros(0)})])
    store.commit()
    reader = Store(tmp_path / "store.zarr")
    assert reader.read("s/x").tobytes() == odd.tobytes()
    assert reader.read("s/z").tobytes() == np.zeros((3, 2)).tobytes()
    assert reader.read("s/e").shape == (0,)


@pytest.mark.parametrize(
    ("samples", "word"),
    [
        ({"cvs": np.zeros((2, 3))}, "rows of float64"),
        ({"cvs": np.zeros((2, 2), dtype=np.float32)}, "rows of float32"),
        ({"../x": np.zeros(2)}, "names"),
        ({"text": np.array(["a"])}, "numeric"),
        ({"scalar": np.float64(1.0)}, "axis 0"),
    ],
)
def test_what_cannot_be_appended_is_refused(
    tmp_path: Path, samples: dict[str, np.ndarray], word: str
) -> None:
    store = filled(tmp_path, 1)
    with pytest.raises(StoreError, match=word):
        store.append(1, [Segment((1, "sample", 0), samples)])
    store = Store(tmp_path / "store.zarr", "w")
    assert store.last_round == 0


def test_rounds_come_in_turn(tmp_path: Path) -> None:
    store = filled(tmp_path, 1)
    with pytest.raises(StoreError, match="cannot follow"):
        store.append(2, segments(2))


def test_the_number_of_files_does_not_grow_with_rounds_and_replicas(tmp_path: Path) -> None:
    filled(tmp_path / "a", 2)
    filled(tmp_path / "b", 20)
    counts = [sum(len(f) for _, _, f in os.walk(tmp_path / d)) for d in "ab"]
    assert counts[0] == counts[1]


def whole_run(path: Path) -> Path:
    filled(path, 6)
    return path / "store.zarr"


def rows_of(store: Path, name: str) -> Path:
    return next(p for p in sorted((store / name).iterdir()) if p.name.startswith("c."))


def lose(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("harm", [lose, cut, flip])
@pytest.mark.parametrize("name", ["sample/cvs", "sample/accepted", "steer/work", "index"])
def test_what_is_lost_or_cut_is_named_and_never_read(harm: Any, name: str, tmp_path: Path) -> None:
    path = whole_run(tmp_path)
    assert Store(path).verify() == []
    harm(rows_of(path, name))
    (damage,) = Store(path).verify()
    assert damage.array == name
    assert bool(damage.files) == (harm is lose)
    if name != "index":
        with pytest.raises(StoreError, match=name):
            Store(path).read(name)
    other = "steer/work" if name == "sample/cvs" else "sample/cvs"
    assert Store(path).read(other).any()


def test_a_run_without_digests_of_arrays_is_checked_by_its_running_digest(tmp_path: Path) -> None:
    path = whole_run(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "commits.jsonl").read_text().splitlines()]
    old = [{k: v for k, v in line.items() if k != DIGESTS} for line in lines]
    (tmp_path / "commits.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    assert Store(path).verify() == []
    rows_of(path, "sample/cvs").unlink()
    (damage,) = Store(path).verify()
    assert (damage.array, damage.first) == ("sample/cvs", 0)
    assert not Store(path).read("sample/cvs").any()  # as zarr reads it


def test_chunks_of_zeros_have_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.zarr", "w")
    store.append(0, [Segment((0, "sample", 0), {"accepted": np.zeros(9)})])
    store.commit()
    assert complete(tmp_path / "store.zarr", store.commits())
    rows_of(tmp_path / "store.zarr", "sample/accepted").unlink()
    assert not complete(tmp_path / "store.zarr", store.commits())
