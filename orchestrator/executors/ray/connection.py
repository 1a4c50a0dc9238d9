"""The Ray cluster that this process is connected to."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

import ray
from ray._private import ray_constants

from msgen.orchestrator.executors.ray.local_node import local_node
from msgen.orchestrator.executors.ray.starting import starting


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Connect to a Ray cluster; 'local' starts one here and ends it afterwards."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with ExitStack() as stack:
        with starting(address):
            at = address
            if address == "local":
                stack.enter_context(_token_of_its_own())
                at = stack.enter_context(local_node(len(os.sched_getaffinity(0))))
                stack.enter_context(_on_loopback())
            stack.enter_context(_connected(at))
        yield


@contextmanager
def _connected(address: str) -> Iterator[None]:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except SystemExit:  # what Ray makes of SIGTERM while it starts
        raise KeyboardInterrupt from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _token_of_its_own() -> Iterator[None]:
    """Who connects to Ray has to know a token that is drawn here, and is in this environment."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in token}
    os.environ.update(token)
    _read_environment_again()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _read_environment_again()


def _read_environment_again() -> None:
    """Ray looks at its variables when it is imported."""
    compiled: Any = import_module("ray._raylet")  # it carries no types
    compiled.Config.initialize("")
    compiled.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray take 127.0.0.1 for the address that it is, and not for that of the network."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
