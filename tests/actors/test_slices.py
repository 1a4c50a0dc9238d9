"""An order stopped at every slice, and gone on with by another worker, gives the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from driving import Drive, same

from msgen.actors import slices as module
from msgen.actors.base import Begun, Segment, Tree, WorkOrder, copy_tree, encode
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.chain import _Steps
from msgen.actors.orders.trajectories import FollowPayload
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.slices import Slices, set_words, words_of
from msgen.actors.worker import Worker
from msgen.orchestrator.run_directory.unfinished import Unfinished
from msgen.systems import pause as pause_module
from msgen.systems.openmm.context import OpenMMContext
from msgen.systems.openmm.system import OpenMMSystem

STEERED = ("strategy.explore={pushes: 3, push_steps: 16, relax_steps: 10}", "replicas=2")
LOCAL = "strategy={{kind: local, local: {{kind: {}, steps: 60}}}}"
CASES = {
    "explore": ("explore", *STEERED),
    "sample": ("sample", LOCAL.format("langevin"), "replicas=2"),
    "sample_ghmc": ("sample", LOCAL.format("ghmc"), "replicas=2"),
    "umbrella": (
        "umbrella",
        "strategy={kind: umbrella, windows: {phi: 3}, local: {kind: langevin, steps: 20}}",
    ),
    "temper": (
        "temper",
        "strategy={kind: parallel_tempering, local: {kind: ghmc, steps: 20}}",
        "replicas=3",
    ),
}
LONG = "strategy={{kind: local, local: {{kind: {}, steps: 5}}}}"
STRIDE = "output.stride=5"
BATCHED = {
    **{
        f"sample_{kind}": ("double_well", "sample", LONG.format(kind), STRIDE, "replicas=3")
        for kind in ("langevin", "ghmc", "mala", "hmc", "overdamped")
    },
    "explore": ("double_well", "explore", *STEERED),
    "temper": (
        "double_well",
        "temper",
        "strategy={kind: parallel_tempering, temperatures: [1, 2], local: {kind: hmc, steps: 5}}",
        STRIDE,
        "replicas=3",
    ),
}
"""Of potentials, whose walkers are stepped together; readings of more steps than a slice has."""
DEAR_TOGETHER = ("sample_mala", "sample_hmc", "sample_overdamped")
DEAR = ("sample_ghmc", "temper", "umbrella")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at every native call, and let the call that is at work come to its end."""
    monkeypatch.setattr(module, "_LOOK_S", -1.0)
    monkeypatch.setattr(module, "_FINISH_S", float("inf"))


def first_order(*sets: str, config: str = "alanine_dipeptide") -> tuple[Tree, WorkOrder]:
    if config == "alanine_dipeptide":
        sets = ("system.platform=Reference", *sets)
    drive = Drive.of(config, *sets)
    plan = drive.strategy.decide(drive.state)
    return vars(drive.worker)["_context"].setup, plan.orders[0]


def content(segment: Segment | Begun) -> Tree:
    assert isinstance(segment, Segment)
    return {
        "samples": dict(segment.samples),
        "carry": segment.carry,
        "counts": dict(segment.counts),
        "evaluations": segment.evaluations,
    }


def stopped_again_and_again(
    workers: Iterator[Worker], order: WorkOrder, folder: Path
) -> tuple[Segment, int]:
    """What comes of it, through the disk, and how often it was stopped."""
    times, on_disk = 0, Unfinished(folder)
    while True:
        done = next(workers).execute(order, lambda evaluations: True)
        if isinstance(done, Segment):
            return done, times
        times += 1
        assert done.log, "nothing was kept"
        on_disk.add([(order, done)])
        kept = Unfinished(folder).read(lambda key: True)[0][order.key].done
        assert isinstance(kept, Begun)
        assert kept.evaluations == done.evaluations
        order = replace(order, begun=kept)


def two_workers(setup: Tree) -> Iterator[Worker]:
    both = [Worker(setup), Worker(setup)]
    while True:
        yield from both


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] * (c in DEAR)) for c in CASES]
)
def test_stopped_at_every_slice_it_gives_the_same(case: str, tmp_path: Path, eager: None) -> None:
    kind, *sets = CASES[case]
    setup, order = first_order(*sets)
    assert order.kind == kind
    whole = Worker(setup).execute(order)
    cut, times = stopped_again_and_again(two_workers(setup), order, tmp_path)
    assert times >= 10
    assert same(content(cut), content(whole))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of one step, so that a reading has several."""
    monkeypatch.setattr(module, "_SLICE_S", 0.0)


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] * (c in DEAR_TOGETHER)) for c in BATCHED]
)
def test_walkers_stepped_together_stop_at_every_slice_as_well(
    case: str, tmp_path: Path, eager: None, short: None
) -> None:
    """Within a reading too, on one stream, and the same as if there had been no slices at all."""
    config, kind, *sets = BATCHED[case]
    setup, order = first_order(*sets, config=config)
    assert order.kind == kind
    whole = Worker(setup).execute(order)
    cut, times = stopped_again_and_again(two_workers(setup), order, tmp_path)
    assert times >= 10
    assert same(content(cut), content(whole))


def test_velocities_that_run_on_are_put_back(tmp_path: Path, eager: None, short: None) -> None:
    """Of a trajectory, whose chain outlasts its readings."""
    setup, _ = first_order(LONG.format("langevin"), config="double_well")
    walkers = WalkerRows(np.array([[-1.0, 0.0], [0.5, 0.2]]))
    ids = np.arange(2)
    order = WorkOrder.of(0, FollowPayload(walkers, ids, ids, frames=3, steps=5))
    whole = Worker(setup).execute(order)
    cut, times = stopped_again_and_again(two_workers(setup), order, tmp_path)
    assert times >= 10
    assert same(content(cut), content(whole))


@pytest.mark.parametrize("case", ["sample_ghmc", "temper"])
def test_slices_show_in_no_sample(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps one has, as in runs that were begun when there were none."""
    config, _, *sets = BATCHED[case]
    setup, order = first_order(*sets, config=config)
    found = []
    for seconds in (0.0, 1e-3, 1e9):
        monkeypatch.setattr(module, "_SLICE_S", seconds)
        found.append(content(Worker(setup).execute(order)))
    assert same(found[0], found[1])
    assert same(found[0], found[2])


@pytest.mark.parametrize("twin", ["chain", "stream", "before"])
def test_it_fails_where_something_of_a_batch_is_not_put_back(
    twin: str, tmp_path: Path, eager: None, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain within a reading, the stream, and where a reading that is undone began."""
    config, _, *sets = BATCHED["sample_ghmc"]
    setup, order = first_order(*sets, config=config)
    whole = Worker(setup).execute(order)
    if twin == "chain":
        monkeypatch.setattr(_Steps, "resume", lambda self, snapshot: None)
    elif twin == "stream":
        monkeypatch.setattr(module, "set_words", lambda rng, words: None)
    else:
        put_back = ArrayEngine.resume

        def resume(self: ArrayEngine, snapshot: Tree) -> None:
            put_back(self, {**snapshot, "x": snapshot["x"] + 1e-3})

        monkeypatch.setattr(ArrayEngine, "resume", resume)
    cut, _ = stopped_again_and_again(two_workers(setup), order, tmp_path)
    assert not same(content(cut), content(whole))


@pytest.mark.parametrize("twin", ["stream", "noise", "before"])
def test_it_fails_where_something_is_not_put_back(
    twin: str, tmp_path: Path, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the role's stream, OpenMM's and the walkers themselves."""
    sets = CASES["explore" if twin == "stream" else "sample"][1:]
    setup, order = first_order(*sets)
    whole = Worker(setup).execute(order)
    if twin == "stream":
        monkeypatch.setattr(module, "set_words", lambda rng, words: None)
    elif twin == "noise":
        monkeypatch.setattr(OpenMMContext, "set_noise", lambda self, noise, otherwise: None)
    else:
        monkeypatch.setattr(MoleculeEngine, "resume", lambda self, snapshot: None)
        with pytest.raises((IndexError, ValueError)):
            stopped_again_and_again(two_workers(setup), order, tmp_path)
        return
    cut, _ = stopped_again_and_again(two_workers(setup), order, tmp_path)
    assert not same(content(cut), content(whole))


def test_left_in_the_middle_of_a_call_it_goes_on_from_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pulse says stop in the fifth native call, and nothing is waited for."""
    monkeypatch.setattr(module, "_LOOK_S", -1.0)
    monkeypatch.setattr(module, "_FINISH_S", 0.0)
    monkeypatch.setattr(module, "_KEEP_S", -1.0)
    setup, order = first_order(*CASES["sample"][1:])
    whole = Worker(setup).execute(order)
    looks = [0]

    def pulse(evaluations: int) -> bool:
        looks[0] += 1
        return looks[0] == 12

    worker = Worker(setup)
    worker.execute(replace(order, replica=7))  # builds what is dear, where one looks around as well
    done = worker.execute(order, pulse)
    assert isinstance(done, Begun)
    assert 0 < done.evaluations < whole.evaluations
    again = Worker(setup).execute(replace(order, begun=done))
    assert same(content(again), content(whole))


def test_a_worker_that_was_told_to_halt_keeps_what_was_begun() -> None:
    setup, order = first_order(*CASES["sample"][1:])
    worker = Worker(setup)
    worker.halt()
    begun = Begun(order.key, {"calls": []}, 7)
    assert worker.execute(order) == Begun(order.key)
    assert worker.execute(replace(order, begun=begun)) is begun


@pytest.mark.parametrize("purpose", ["langevin", "ghmc"])
def test_steps_in_pieces_are_the_same_steps(purpose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Drive.of("alanine_dipeptide", "system.platform=Reference")
    ends = []
    for piece_s in (1e9, 0.0):
        monkeypatch.setattr(pause_module, "_PIECE_S", piece_s)
        assert isinstance(drive.system, OpenMMSystem)
        context = drive.system.context(False, drive.cvs, purpose=purpose)
        looks: list[int] = []
        context.reseed(5)
        context.load(drive.system.initial())
        context.draw_velocities(np.random.default_rng(1))
        with pause_module.looked_after(lambda looks=looks: looks.append(1)):
            context.step(30)
        assert len(looks) == 1 if piece_s else len(looks) >= 29
        ends.append(context.store()[0])
    assert np.array_equal(*ends)


def test_a_stream_is_put_back() -> None:
    rng, other = np.random.default_rng(3), np.random.default_rng(4)
    rng.normal(size=3)
    rng.integers(5, dtype=np.uint32)  # leaves half a word
    set_words(other, words_of(rng))
    assert np.array_equal(
        rng.integers(9, size=5, dtype=np.uint32), other.integers(9, size=5, dtype=np.uint32)
    )
    assert np.array_equal(rng.normal(size=4), other.normal(size=4))


def test_what_a_call_gave_is_kept_though_the_role_writes_to_it() -> None:
    class Still:
        def snapshot(self) -> Tree:
            return {}

        def resume(self, snapshot: Tree) -> None:
            pass

    rng = np.random.default_rng(1)
    slices = Slices(rng, lambda evaluations: True)
    slices.serve(Still(), lambda: {"evaluations": 1}, lambda tally: None)
    slices.call(lambda: np.zeros(3), np.asarray)[:] = 1.0
    slices._mark()
    begun = slices.begun((0, "sample", 0))
    again = Slices(rng, lambda evaluations: False, replace(begun, log=copy_tree(encode(begun.log))))
    again.serve(Still(), lambda: {"evaluations": 1}, lambda tally: None)
    assert np.array_equal(again.call(lambda: np.ones(3), np.asarray), np.zeros(3))
