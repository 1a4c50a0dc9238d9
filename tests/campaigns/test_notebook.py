"""A campaign in a real notebook kernel: the live block, figures inline, and the interrupt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

jupyter_client = pytest.importorskip("jupyter_client")
pytest.importorskip("ipykernel")

SETUP = """
import msgen
campaign = {
    "name": "well", "executor": "inline",
    "system": {"kind": "double_well"},
    "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2], "bins": 16}},
    "strategy": {"kind": "local", "local": {"kind": "hmc", "steps": 5}},
    "states": {"left": {"x": [-2, 0]}}, "replicas": 8,
    "converge": {"state_error": "0.0001 kT"}, "output": {"tensorboard": False},
}
"""


class Kernel:
    """A kernel, and what its cells put out."""

    def __init__(self, folder: Path) -> None:
        self.manager = jupyter_client.KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def begin(self, code: str) -> str:
        """Start a cell."""
        return str(self.client.execute(code))

    def outputs(self, cell: str, timeout: float = 120) -> Iterator[dict[str, Any]]:
        """The messages of a cell, until it is done."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.client.get_iopub_msg(timeout=deadline - time.monotonic())
            if message["parent_header"].get("msg_id") != cell:
                continue
            content = message["content"]
            assert message["msg_type"] != "error", "\n".join(content["traceback"])
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return
            yield message

    def run(self, code: str) -> list[dict[str, Any]]:
        """All that a cell puts out."""
        return list(self.outputs(self.begin(code)))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in an empty folder, with a campaign."""
    one = Kernel(tmp_path)
    try:
        one.run(SETUP)
        yield one
    finally:
        one.client.stop_channels()
        one.manager.shutdown_kernel(now=True)


def shown(messages: list[dict[str, Any]], kind: str, mime: str) -> list[str]:
    """What messages of a kind hold in a format."""
    found = (m["content"]["data"].get(mime) for m in messages if m["msg_type"] == kind)
    return [content for content in found if content is not None]


def test_a_block_that_is_replaced_then_the_result_and_its_figure(kernel: Kernel) -> None:
    done = kernel.run("result = msgen.run(campaign, overrides={'budget.rounds': 12})\nresult")
    first, last_words = shown(done, "display_data", "text/html")
    assert "msgen.run with the same campaign" in last_words
    # one for each round, the lines between them left out
    blocks = [first, *shown(done, "update_display_data", "text/html")]
    assert len({b for b in blocks if "msgen · well" in b and "so far" not in b}) == 12
    said = "".join(m["content"]["text"] for m in done if m["msg_type"] == "stream")
    assert len(said.splitlines()) == 1
    assert said.startswith("run directory: ")
    (page,) = shown(done, "execute_result", "text/html")
    assert "<td>left</td>" in page
    assert "data:image/png;base64," in page
    assert len(shown(kernel.run("result.plot()"), "execute_result", "image/png")) == 1


def test_an_interrupt_commits_the_round_and_the_same_call_goes_on(kernel: Kernel) -> None:
    cell = kernel.begin("first = msgen.run(campaign)")
    for message in kernel.outputs(cell):
        if "msgen · well" in str(message["content"]):  # a round is committed
            kernel.manager.interrupt_kernel()
            break
    said = list(kernel.outputs(cell))
    assert "no more work begins" in "".join(
        m["content"]["text"] for m in said if m["msg_type"] == "stream"
    )
    code = """
assert first.status == "interrupted", first.status
rounds = first.cost.rounds
assert rounds >= 1
again = msgen.run(campaign, resume="must", overrides={"budget.rounds": rounds + 1}, quiet=True)
assert (again.status, again.cost.rounds) == ("exhausted", rounds + 1)
import signal
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
    kernel.run(code)
