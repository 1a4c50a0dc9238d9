"""A Ray node on this machine for one driver.

It is a process in a session of its own, so that a SIGTERM to the driver's process group, as
timeout(1), systemd and batch systems send it, does not end Ray before the campaign has kept what
it did. It ends when its standard input does, however the driver goes. It listens on the loopback
only.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""What Ray does by default on laptops: its address is 127.0.0.1, and so are its sockets'."""

_PATIENCE_S = 30.0
"""How long the node may take to end."""


@contextmanager
def local_node(cpus: int) -> Iterator[str]:
    """Start a node with so many CPUs, with the token that is in this environment; its address.

    Raises
    ------
    RuntimeError
        If it does not start; with the last line of what it said.
    """
    node = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, str(cpus)],
        env={**os.environ, **_LOOPBACK},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert node.stdout is not None
        address = node.stdout.readline().strip()
        if not address:
            said = node.communicate()[1].strip().splitlines()
            raise RuntimeError(f"Ray did not start: {said[-1] if said else 'no cause given'}")
        yield address
    finally:
        _end(node)


def _end(node: subprocess.Popen[str]) -> None:
    try:
        node.communicate(timeout=_PATIENCE_S)
    except (subprocess.TimeoutExpired, ValueError):
        node.kill()
        node.wait()


def main() -> None:
    """Start Ray, say where, and end it once nobody holds the other end of standard input."""
    import ray

    ray.init(
        address="local",
        num_cpus=int(sys.argv[1]),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
