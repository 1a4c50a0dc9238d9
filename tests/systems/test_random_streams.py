"""Every order's noise follows from its key: on every platform, in any process, after anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tethered_molecule
from keyed_orders import SYSTEMS, Kind, built, digest, end
from places import TESTS
from tethered_molecule import CVS, PLATFORMS, tethered

from msgen.actors.engines.openmm import MoleculeEngine
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.run_directory.store import Store
from msgen.systems.base import Array
from msgen.systems.openmm.seeds import RandomStream

KINDS: tuple[Kind, ...] = ("langevin", "ghmc")
KEYS = [(1, 0, 0), (2, 0, 0), (1, 5, 0), (1, 0, 3)]
"""Campaign seed, round, replica: another one in each."""


def same_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: one seed for all orders."""
    begin = RandomStream.begin
    monkeypatch.setattr(RandomStream, "begin", lambda self, _seed: begin(self, 1))


def fresh_ends(keys: list[tuple[int, int, int]]) -> list[dict[str, str]]:
    """Where the orders of these keys end, each in a process of its own."""
    script = str(TESTS / "support" / "keyed_orders.py")
    started = [
        subprocess.Popen(
            [sys.executable, script, *map(str, key)], stdout=subprocess.PIPE, text=True
        )
        for key in keys
    ]
    return [json.loads(one.communicate()[0]) for one in started]


@pytest.mark.slow
def test_another_key_is_another_noise_in_a_fresh_process() -> None:
    """And the same key the same one: to the last bit, where no more than one thread sums."""
    first, again, other = fresh_ends([KEYS[0], KEYS[0], (2, 5, 3)])
    assert again == first
    assert not set(first.values()) & set(other.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_an_order_does_not_depend_on_what_was_done_before(
    name: str, platform: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, cvs = built(name, platform)
    used = MoleculeEngine(system, cvs, kind)
    ends = [digest(end(used, seed, (rnd, "s", replica))) for seed, rnd, replica in KEYS]
    assert len(set(ends)) == len(KEYS)
    held = end(used, 1, (0, "s", 0), held=True)
    other = MoleculeEngine(*built(name, platform), kind)
    assert np.array_equal(end(other, 1, (0, "s", 0), held=True), held)
    assert digest(end(other, 1, (0, "s", 0))) == ends[0]
    assert digest(end(used, 1, (0, "s", 0))) == ends[0]
    same_seed(monkeypatch)
    assert len({digest(end(used, seed, (rnd, "s", k))) for seed, rnd, k in KEYS}) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_context_whose_stream_was_never_begun_takes_no_step(platform: str, kind: Kind) -> None:
    context = tethered(platform).context(False, CVS, purpose=kind)
    with pytest.raises(RuntimeError, match="never begun"):
        context.step(1)
    context.reseed(1)
    context.step(1)
    leapfrog = tethered(platform).context(False, CVS, purpose="leapfrog")
    leapfrog.reseed(1)
    leapfrog.step(1)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_was_set_outlives_a_new_stream(platform: str) -> None:
    """Walker, restraint, step size and temperature of a Context that is initialised again."""
    for kind in KINDS:
        context = tethered(platform).context(True, CVS, purpose=kind)
        context.set_kappa(np.array([70.0]))
        context.set_lambda(np.array([0.8]))
        context.integrator.setStepSize(0.003)
        if kind == "ghmc":
            context.integrator.setGlobalVariableByName("kT", 4.0)
        else:
            context.integrator.setTemperature(481.0)
        context.draw_velocities(np.random.default_rng(2))
        x, v, _ = context.store()
        energy = context.potential_energy()
        context.reseed(5)
        context.stream.renew()
        assert np.array_equal(context.store()[0], x)
        assert np.array_equal(context.store()[1], v)
        assert context.potential_energy() == pytest.approx(energy, rel=1e-12)
        assert context.integrator.getStepSize()._value == 0.003
        if kind == "ghmc":
            assert context.integrator.getGlobalVariableByName("kT") == 4.0
        else:
            assert context.integrator.getTemperature()._value == 481.0


def correlated(x: Array, y: Array) -> float:
    """Correlation of two independent stationary series, in its standard errors.

    Var Σ x y = n Σ_t ρ_x(t) ρ_y(t) (M. S. Bartlett, J. R. Stat. Soc. 98, 536 (1935)). All lags up
    to a tenth of the series count: they swing, so that a small one need not be the last.
    """
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    n = len(x)
    product = [float(x[t:] @ x[:-t]) * float(y[t:] @ y[:-t]) / n**2 for t in range(1, n // 10)]
    return float(x @ y / np.sqrt(n * (1.0 + 2.0 * sum(product))))


def of_two_replicas(folder: Path, friction: float, seed: int, executor: str) -> float:
    """What `correlated` says of the CVs of a campaign's two replicas, on CPU."""
    folder.mkdir()
    file = tethered_molecule.write(folder, "CPU", friction, seed)
    done = main_run([str(file), "--executor", executor, "--output-dir", str(folder)])
    assert done in (0, 3)  # of one noise for both, their agreement passes for convergence
    store = Store(folder / "tethered" / "store.zarr")
    xi, replica = store.read("sample/cvs")[:, 0], store.read("sample/replica")
    return correlated(*(xi[replica == k] for k in (0, 1)))


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("friction", [1.0, 10.0])
def test_replicas_of_two_workers_are_not_correlated(tmp_path: Path, friction: float) -> None:
    assert abs(of_two_replicas(tmp_path / "two", friction, 3, "ray")) < 3


@pytest.mark.parametrize("friction", [1.0, 10.0])
def test_one_seed_for_all_correlates_replicas(
    tmp_path: Path, friction: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process: without the twin they are not, with it they are."""
    assert abs(of_two_replicas(tmp_path / "keyed", friction, 4, "inline")) < 3
    same_seed(monkeypatch)
    assert abs(of_two_replicas(tmp_path / "same", friction, 4, "inline")) > 6


@pytest.mark.parametrize("platform", ["CPU", "OpenCL", "CUDA", "HIP"])
def test_the_provenance_says_what_repeats_itself(tmp_path: Path, platform: str) -> None:
    given: dict[str, Any] = {"campaign": "a", "seed": 1, "deterministic": False}
    said = provenance.write(tmp_path, platform=platform, **given)["determinism"]
    assert platform in said
    assert "noise of every order is fixed" in said
    assert ("OPENMM_CPU_THREADS" in said) == (platform == "CPU")
    assert "bit for bit" in provenance.determinism("Reference", True)
    assert "does not repeat itself" in provenance.determinism(None, False)
