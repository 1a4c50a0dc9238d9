"""flowMC on one of the targets, in an environment of its own.

`python flowmc.py SPEC.json OUT.npz`. The spec holds the target (see `targets`), the start, the seed
and flowMC's own settings; what comes back is the mode indicator of every chain after every step
and, phase by phase, CPU seconds (user and system, all threads), seconds of compiling, and
evaluations of the target: a density counts as one, a density with its gradient as one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# before jax is imported: one thread, like the other side
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_multi_thread_eigen=false --xla_force_host_platform_device_count=1"
)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from flowMC.resource_strategy_bundle.RQSpline_MALA import RQSpline_MALA_Bundle
from flowMC.Sampler import Sampler
from jax._src import compiler

Density = Callable[[jax.Array, Any], jax.Array]


def targets(spec: dict[str, Any]) -> tuple[Density, np.ndarray, np.ndarray]:
    """ln ρ of the variables sampled, the map x = A z from them as (A, start), and the start z."""
    kind, start = spec["kind"], np.asarray(spec["start"], dtype=np.float64)
    identity = np.eye(start.shape[1])
    if kind == "gaussian_mixture":
        means, log_w = jnp.asarray(spec["means"]), jnp.log(jnp.asarray(spec["weights"]))

        def mixture(x: jax.Array, data: Any) -> jax.Array:
            return jax.nn.logsumexp(log_w - 0.5 * ((x - means) ** 2).sum(-1))

        return mixture, identity, start
    if kind == "many_well":
        a, b, c, k = spec["coefficients"]

        def wells(x: jax.Array, data: Any) -> jax.Array:
            u, v = x[0::2], x[1::2]
            return -(a * u**4 + b * u**2 + c * u + 0.5 * k * v**2).sum()

        return wells, identity, start
    # the lattice in variables that its Gaussian part leaves uncorrelated
    precision = np.asarray(spec["precision"])
    colour = np.linalg.inv(np.linalg.cholesky(precision)).T
    matrix, quartic = jnp.asarray(colour), spec["quartic"]
    quadratic = jnp.asarray(np.asarray(spec["quadratic"]))

    def lattice(z: jax.Array, data: Any) -> jax.Array:
        x = matrix @ z
        return -0.5 * x @ (quadratic @ x) - quartic * (x**4).sum()

    return lattice, colour, start @ np.linalg.inv(colour).T


class Clock:
    """CPU seconds of this process, and those that XLA's compiler took of them."""

    def __init__(self) -> None:
        self.compiling = 0.0
        compile_one = compiler.compile_or_get_cached

        def timed(*args: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return compile_one(*args, **options)
            finally:
                self.compiling += time.process_time() - begun

        # jax tells the wall time only, which other processes lengthen
        compiler.compile_or_get_cached = timed

    def read(self) -> np.ndarray:
        return np.array([time.process_time(), self.compiling])


def main(spec: dict[str, Any], out: str) -> None:
    clock = Clock()
    begun = clock.read()
    log_density, colour, start = targets(spec)
    n, dim = start.shape
    settings = spec["settings"]
    key, own = jax.random.split(jax.random.PRNGKey(spec["seed"]))
    bundle = RQSpline_MALA_Bundle(own, n, dim, log_density, **settings)
    order = list(bundle.strategy_order)
    cut = order.index("reset_steppers")
    sampler = Sampler(
        n_dim=dim,
        n_chains=n,
        rng_key=key,
        resource_strategy_bundles=bundle,
        checkpoint_interval=0,
    )
    # the two phases one after the other, to read the clock between them
    sampler.strategy_order = order[:cut]
    sampler.sample(jnp.asarray(start, dtype=jnp.float32), {})
    trained = clock.read()
    last = sampler.resources["positions_training"].data[:, -1]
    sampler.strategy_order = order[cut:]
    sampler.sample(last, {})
    produced = clock.read()

    direction = np.asarray(spec["indicator"]) @ colour
    kept = {"training": (begun, trained), "production": (trained, produced)}
    steps = settings["n_local_steps"], settings["n_global_steps"]
    found: dict[str, Any] = {
        # MALA takes two gradients a step, and both samplers ask for the density of the start
        "evaluations_a_loop": n * (2 * steps[0] + 1 + steps[1] + 1),
        "local_steps": steps[0],
        "steps_a_loop": sum(steps),
    }
    for phase, (before, after) in kept.items():
        positions = np.asarray(sampler.resources[f"positions_{phase}"].data, dtype=np.float64)
        found[f"{phase}_series"] = positions @ direction
        found[f"{phase}_cpu"], found[f"{phase}_compiling"] = after - before
        accepted = np.asarray(sampler.resources[f"global_accs_{phase}"].data)
        found[f"{phase}_accepted"] = accepted
    np.savez(out, **found)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2])
