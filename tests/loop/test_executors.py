"""The same samples, bit for bit, wherever the orders run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import SUPPORT
from toy_campaign import Recorder, build, setup
from toy_on_ray import content, events, inline, on_ray

from msgen.orchestrator.executors.inline import InlineExecutor
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.job import Job, Resources
from msgen.orchestrator.loop.stop import StopFlag

ray = pytest.importorskip("ray")
connection = pytest.importorskip("msgen.orchestrator.executors.ray.connection")
ray_controller = pytest.importorskip("msgen.orchestrator.executors.ray.controller")


@pytest.fixture(scope="module")
def node() -> Iterator[None]:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(SUPPORT)
    with connection.cluster("local"):
        yield
    del os.environ["PYTHONPATH"]
    if before is not None:
        os.environ["PYTHONPATH"] = before


def job(path: Path, workers: int = 1, limits: Limits | None = None, **toy: Any) -> Job:
    resources = Resources(workers=workers)
    return Job(path, setup(**toy), build, limits=limits or Limits(), resources=resources)


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2])
def test_ray_gives_what_inline_gives(tmp_path: Path, node: None, workers: int) -> None:
    options = {"big": True, "fit_seconds": 0.2}  # big segments come back through the object store
    outcome, recorder = on_ray(job(tmp_path / "ray", workers, **options))
    assert outcome.status == "converged"
    assert [i.round for i in recorder.infos] == list(range(6))
    assert recorder.closed == [("converged", outcome.reason)]
    assert content(tmp_path / "ray") == inline(job(tmp_path / "inline", **options))
    assert recorder.infos[-1].samples["walk/big"].shape == (4 * 4000, 8)


@pytest.mark.ray
def test_a_lost_worker_costs_one_order_and_no_sample(tmp_path: Path, node: None) -> None:
    die = {"die_at": [[2, "walk", 1], [3, "walk", 3]], "marker": str(tmp_path)}
    outcome, _ = on_ray(job(tmp_path / "ray", 2, **die))
    assert outcome.status == "converged"
    lost = events(tmp_path / "ray", "failure")
    # an order that an idle worker has as well, since it was late, is lost by one of them only
    spared = [e["order"] for e in events(tmp_path / "ray", "spare_lost")]
    assert sorted([*(e["order"] for e in lost), *spared]) == die["die_at"]
    assert all(e["retryable"] for e in lost)
    assert [e["order"] for e in events(tmp_path / "ray", "retry")] == [e["order"] for e in lost]
    assert content(tmp_path / "ray") == inline(job(tmp_path / "inline"))


@pytest.mark.slow
@pytest.mark.ray
def test_an_order_that_kills_every_worker_ends_the_campaign(tmp_path: Path, node: None) -> None:
    die = {"die_at": [[1, "walk", 0]], "marker": str(tmp_path), "deaths": 99}
    outcome, recorder = on_ray(job(tmp_path / "ray", 2, **die))
    assert outcome.status == "failed"
    assert "order 'walk' of replica 0 in round 1 lost its worker 3 times" in outcome.reason
    assert recorder.closed == [("failed", outcome.reason)]


@pytest.mark.ray
def test_an_order_that_raises_is_not_tried_again(tmp_path: Path, node: None) -> None:
    outcome, _ = on_ray(job(tmp_path / "ray", 1, raise_at=[1, "walk", 0]))
    assert outcome.status == "failed"
    assert "RuntimeError: the toy was told to" in outcome.reason
    assert len(events(tmp_path / "ray", "failure")) == 1
    assert not events(tmp_path / "ray", "retry")


@pytest.mark.ray
def test_a_stopped_ray_campaign_goes_on_inline(tmp_path: Path, node: None) -> None:
    path = tmp_path / "run"
    stop = StopFlag()

    class Stopping(Recorder):
        def round(self, info: Any) -> None:
            super().round(info)
            stop.request()

    recorder = Stopping()
    outcome = ray_controller.run(job(path, 2, seconds=0.1), recorder, stop)
    assert outcome.status == "interrupted"
    assert 1 <= len(recorder.infos) < 6
    assert inline(job(path)) == inline(job(tmp_path / "whole"))


@pytest.mark.ray
def test_a_worker_that_cannot_start_says_why(tmp_path: Path, node: None) -> None:
    broken = job(tmp_path / "ray")
    broken.setup["roles"] = {"walk": "toy_campaign:no_such_role"}
    outcome, _ = on_ray(broken)
    assert outcome.status == "failed"
    assert "no_such_role" in outcome.reason


@pytest.mark.slow
@pytest.mark.ray
def test_asking_for_more_than_the_cluster_has_is_refused(tmp_path: Path, node: None) -> None:
    with pytest.raises(RuntimeError, match=r"resources\.workers"):
        on_ray(job(tmp_path / "ray", workers=10_000))


@pytest.mark.ray
def test_workers_are_pinned_and_see_no_gpu(node: None) -> None:
    from msgen.orchestrator.executors.ray import seats as ray_seats

    variables = ray_seats.environment(1, gpu=False)["env_vars"]
    probe = ray.remote(num_cpus=0, runtime_env={"env_vars": variables})(lambda: dict(os.environ))
    seen = ray.get(probe.remote())
    assert seen["OMP_NUM_THREADS"] == "1"
    assert seen["CUDA_VISIBLE_DEVICES"] == ""


def test_inline_imports_no_ray(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from toy_campaign import Recorder, build, setup\n"
        "from pathlib import Path\n"
        "from msgen.orchestrator.run import run_job\n"
        "from msgen.orchestrator.loop.job import Job\n"
        "out = run_job(Job(Path(sys.argv[1]), setup(), build), Recorder(), executor='inline')\n"
        "assert out.status == 'converged', out"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=SUPPORT,
        check=True,
    )


def test_dear_orders_go_first_and_fits_last() -> None:
    from toy_campaign import ToyStrategy

    executor = InlineExecutor(setup())
    strategy = ToyStrategy()
    plan = strategy.decide(strategy.start())
    executor.submit([*plan.fits, *plan.orders])
    keys = [result.key for result in executor.completed()]
    assert keys == [(0, "walk", 3), (0, "walk", 2), (0, "walk", 1), (0, "walk", 0), (0, "fit", 0)]


def test_a_role_may_write_to_its_payload_without_harm() -> None:
    from toy_campaign import ToyStrategy

    executor = InlineExecutor(setup())
    order = ToyStrategy().decide(ToyStrategy().start()).orders[0]
    order.payload["x"].flags.writeable = False
    executor.submit([order])
    (segment,) = executor.completed()
    assert np.array_equal(order.payload["x"], np.zeros(2))
    assert segment.key == order.key  # a Failure would be one of writing to a read-only array
    assert hasattr(segment, "samples")
