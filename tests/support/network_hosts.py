"""Hosts that are network namespaces of this machine, with addresses of their own on one bridge.

The bridge lies in a namespace too, so that nothing of it reaches the machine's own network. What
is shared is the disk, as hosts of a cluster share the run directory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagged_processes import tagged

RAY = str(Path(sys.executable).parent / "ray")
PORT = 6379
# a lost host is noticed in seconds, where Ray's defaults take up to a minute
_QUICK = {
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "4",
}


def impossible() -> str | None:
    """Why namespaces cannot be had here; None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no `ip` command"
    name = f"msgen{os.getpid()}p"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "`ip netns add` is not allowed here"
    bridge = ["ip", "-n", name, "link", "add", "br0", "type", "bridge"]
    failed = subprocess.run(bridge, capture_output=True, check=False).returncode
    _ip("netns", "delete", name)
    return "bridges are not allowed here" if failed else None


class Hosts:
    """`count` hosts, number 0 first; commands run in them with `start`."""

    def __init__(self, count: int, env: dict[str, str], folder: Path) -> None:
        self._hub = f"msgen{os.getpid()}hub"
        self._names = [f"msgen{os.getpid()}h{i}" for i in range(count)]
        self._folder = folder
        path = f"{Path(sys.executable).parent}:{env['PATH']}"
        proxies = {name for name in env if name.lower().endswith("_proxy")}
        plain = {name: value for name, value in env.items() if name not in proxies}
        mode = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": env["MSGEN_TEST_TAG"]}
        self.env = {**plain, **_QUICK, **mode, "PATH": path, "RAY_USAGE_STATS_ENABLED": "0"}

    def build(self) -> None:
        """The namespaces, the bridge, and a link from each to it."""
        _ip("netns", "add", self._hub)
        _ip("-n", self._hub, "link", "add", "br0", "type", "bridge")
        _ip("-n", self._hub, "link", "set", "br0", "up")
        for i, name in enumerate(self._names):
            _ip("netns", "add", name)
            peer = ("peer", "name", f"port{i}", "netns", self._hub)
            _ip("-n", name, "link", "add", "eth0", "type", "veth", *peer)
            _ip("-n", self._hub, "link", "set", f"port{i}", "master", "br0", "up")
            _ip("-n", name, "address", "add", f"{self.address(i)}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                _ip("-n", name, "link", "set", link, "up")

    def remove(self) -> None:
        """Delete the namespaces, and with them links and bridge."""
        for name in (*self._names, self._hub):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def address(self, host: int) -> str:
        return f"198.51.100.{10 + host}"

    def cut(self, host: int) -> None:
        """Pull the host's cable at the bridge."""
        _ip("-n", self._hub, "link", "set", f"port{host}", "down")

    def mend(self, host: int) -> None:
        _ip("-n", self._hub, "link", "set", f"port{host}", "up")

    def start(self, host: int, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"host{host}.log").open("ab") as log:
            return subprocess.Popen(
                ["ip", "netns", "exec", self._names[host], *command],
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ray(self, host: int) -> subprocess.Popen[bytes]:
        """A Ray node of one CPU in the host; the head in number 0."""
        options = [f"--node-ip-address={self.address(host)}", "--num-cpus=1", "--block"]
        options += ["--object-store-memory=100000000"]
        if host:
            options += [f"--address={self.address(0)}:{PORT}"]
        else:
            options += ["--head", f"--port={PORT}", "--include-dashboard=false"]
            options += [f"--temp-dir=/tmp/{self._names[0]}"]  # short: sockets lie in it
        before = self._started(host)
        process = self.start(host, RAY, "start", *options)
        deadline = time.monotonic() + 90.0
        # one after the other: they share a session folder, as hosts do not, and race in it
        while self._started(host) == before:
            assert process.poll() is None, f"Ray did not start on host {host}"
            assert time.monotonic() < deadline, f"Ray did not start on host {host}"
            time.sleep(0.2)
        return process

    def _started(self, host: int) -> int:
        log = self._folder / f"host{host}.log"
        return log.read_text().count("Ray runtime started") if log.exists() else 0


@contextmanager
def hosts(count: int, folder: Path) -> Iterator[Hosts]:
    """Hosts for a test; namespaces, links and processes are gone afterwards, whatever happened."""
    with tagged() as env:
        these = Hosts(count, env, folder)
        try:
            these.build()
            yield these
        finally:
            these.remove()
            shutil.rmtree(f"/tmp/msgen{os.getpid()}h0", ignore_errors=True)


def _ip(*args: str) -> None:
    done = subprocess.run(["ip", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(args)}: {done.stderr}"
