"""A run that an earlier version began goes on, and ends as that version would have ended it."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from places import CONFIGS, TESTS

from msgen.orchestrator.cli import main_run
from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.run_directory.tree_file import update_hash

RUNS = TESTS / "run_directory" / "runs_before"
DECIDING = ("numpy", "scipy", "torch", "openmm", "zuko")
"""Whose versions may change the last bits."""
ARITHMETIC = "74a60dfa5628cb48229a3cab800127070c93d9b8fe137d966847284909317c2b"
"""`arithmetic()` where the runs were made."""


def arithmetic() -> str:
    """A digest of what kinds of processors round differently."""
    x = np.random.default_rng(1).normal(size=(96, 64))
    t = torch.from_numpy(x).requires_grad_()
    layer = torch.nn.functional.silu(t @ t.T / 8).logsumexp(1).sum()
    layer.backward()
    single = torch.softmax(torch.from_numpy(x.astype(np.float32)) @ torch.ones(64, 48), 1)
    assert t.grad is not None
    parts = [np.exp(x), np.sin(x), np.log1p(x * x), x @ x.T, np.linalg.eigh(x.T @ x)[0],
             t.grad.numpy(), single.numpy()]  # fmt: skip
    return hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts)).hexdigest()


NAMES = sorted(p.stem for p in RUNS.glob("*.json"))
MENDED = {
    "umbrella": "conditional model was fitted",
    "steered_walker_files": "a narrow restraint on an angle",
    # whose campaigns have no `path: {tuning: …}` either
    **dict.fromkeys(
        ("steered_chain", "steered_constrained", "steered_elastic", "steered_strata"),
        "paths were tuned whatever that cost",
    ),
}
"""Those that are refused, as their sampling was mended since, and what names the mend."""


def watched_since(stream: str) -> bool:
    """Whether a stream holds what the version that began the run did not watch."""
    return stream.split("/")[1] in ("watched", "watched_cvs", "watched_replica")


def digest_of_before(store: Store) -> str:
    """The store's digest as it would be without what is watched since."""
    names, digest = store.names(), ""
    values = {name: store.read(name) for name in names if not watched_since(name)}
    index = store.index()
    for rnd in range(store.last_round + 1):
        hashed = hashlib.sha256(f"{digest}{rnd}".encode())
        for _, array, replica, start, stop in index[index[:, 0] == rnd].tolist():
            if (name := names[array]) in values:
                hashed.update(f"{name}{(rnd, name.split('/')[0], replica)}".encode())
                update_hash(hashed, values[name][start:stop])
        digest = hashed.hexdigest()
    return digest


def unpacked(name: str, where: Path) -> tuple[dict[str, Any], Path, list[str]]:
    """What is recorded of a run, its directory in `where`, and the command that goes on with it."""
    record = json.loads((RUNS / f"{name}.json").read_text())
    with tarfile.open(RUNS / f"{name}.tar.xz") as tar:
        tar.extractall(where, filter="data")
    (run,) = where.iterdir()
    settings = [*record["set"], f"budget.rounds={record['rounds']}", "budget.wall=10 h"]
    # errors of so few rounds have no ground, and would not be told: nothing is asked for it here
    settings += ["converge.r_hat=1000", "converge.overlap=1.0e-12", "converge.hidden=null"]
    command = [str(CONFIGS / f"{record['campaign']}.yaml"), "--executor", "inline"]
    command += ["--output-dir", str(where), "--resume", "must"]
    return record, run, [*command, *(w for s in settings for w in ("--set", s))]


@pytest.mark.parametrize("name", MENDED)
def test_it_is_refused_by_name_where_its_sampling_was_mended(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run, command = unpacked(name, tmp_path)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    assert main_run(command) == 1
    told = capsys.readouterr().err
    assert MENDED[name] in told
    assert "another --output-dir" in told
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MENDED])
def test_it_goes_on_and_ends_the_same(name: str, tmp_path: Path) -> None:
    record, run, command = unpacked(name, tmp_path)
    store = Store(run / "store.zarr")
    begun = {stream: store.read(stream) for stream in store.names()}
    assert store.last_round == record["stopped"] - 1

    assert main_run(command) == 3

    store = Store(run / "store.zarr")
    for stream, values in begun.items():
        assert store.read(stream)[: len(values)].tobytes() == values.tobytes(), stream
    results = json.loads((run / "results" / "free_energy.json").read_text())
    cost = results.pop("cost")
    assert (cost["rounds"], results["status"]) == (record["rounds"], "exhausted")

    made, here = provenance.read(run), provenance.versions()
    made_with = (made.get("earlier_versions") or [made["versions"]])[0]
    if arithmetic() != ARITHMETIC or any(made_with[n] != here[n] for n in DECIDING):
        pytest.skip("it went on; other versions or another kind of processor: other last bits")
    assert digest_of_before(store) == record["digest"]
    # from its next round on it is watched: one energy a reading
    new = [n for n in store.names() if watched_since(n) and n.endswith("/watched_replica")]
    assert new
    readings = sum(len(store.read(n)) for n in new)
    own = cost["energy_evaluations"] - cost["probe_evaluations"]
    assert own == record["energy_evaluations"] + readings
    about, before = results["diagnostics"], record["results"]["diagnostics"]
    about.pop("hidden", None)
    about.pop("probes", None)
    # another matter is asked for than then
    for key in ("unmet", "ungrounded"):
        about.pop(key, None)
        before.pop(key, None)
    assert results == record["results"]
