"""Free energies along the bond of the dimer and the ends of the polymer, at the published sizes.

What the solute's own double well does to F is known: U_b depends on the distance alone, so that
F(r) = F₀(r) + U_b(r) with F₀ of the same system without it. ``flat`` samples F₀, which has no
barrier, between soft walls; the bond is added afterwards, for any height. ``plain`` is long MD of
the system at a barrier that it crosses often enough to tell (the dimer's own 2 kT, and a polymer of
k = 2.6, 2 kT), and is held against the other::

    python tests/references/particles.py dimer flat --seed 1     # runs/particles_dimer_flat-1.npz
    python tests/references/particles.py dimer plain --seed 1
    python tests/references/particles.py dimer summarise         # dimer.json beside this

LFMiddle Langevin on the CPU platform, friction 0.5; odd seeds start compact, even ones stretched.
Errors are the jackknife over blocks of all runs, each longer than ten correlation times of the
distance. States are parted at the top of the bare barrier.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import openmm as mm
from numpy.typing import NDArray

from msgen.systems.kinds import SystemSite
from msgen.systems.openmm.build_particles import dimer_system, particles, polymer_system
from msgen.systems.openmm.dimer import Dimer
from msgen.systems.openmm.integrators import middle
from msgen.systems.openmm.platforms import make_context
from msgen.systems.openmm.polymer import CENTRE
from msgen.systems.openmm.reduced_units import WCA

HERE = Path(__file__).resolve().parent
RUNS = HERE.parents[1] / "runs"
FRICTION, EVERY = 0.5, 10
TIMESTEP = {"dimer": 0.01, "polymer": 0.005}
STEPS = {"dimer": 1_500_000, "polymer": 600_000}
PLAIN: dict[str, dict[str, Any]] = {"dimer": {"h": 2.0}, "polymer": {"k": 2.6}}
"""The solute's own term in plain runs."""

END = {"dimer": 1, "polymer": 8}
WALLS = {"dimer": (0.1, 6.8), "polymer": (2.95, 6.3)}
"""Where a soft wall begins in runs without the solute's own term."""

RANGE = {"dimer": (0.0, 6.8), "polymer": (2.9, 6.35)}
WIDTH, BLOCKS = 0.05, 10
"""Of the bins, and blocks of one run."""

Floats = NDArray[np.float64]


def own_term(kind: str, r: Floats, spec: dict[str, Any] | None = None) -> Floats:
    """U_b(r), of the dimer's bond or the polymer's ends, ε."""
    model = particles({"kind": kind, **(spec or {})})
    return model.bond_energy(r) if isinstance(model, Dimer) else model.end_energy(r)


def kT_of(kind: str) -> float:
    return {"dimer": 1.0, "polymer": 1.3}[kind]


def top(kind: str) -> float:
    """The distance at which states are parted."""
    return WCA + 2.0 if kind == "dimer" else CENTRE


def run(kind: str, way: str, seed: int, steps: int) -> None:
    """One run, its distances written as they come."""
    state = "compact" if seed % 2 else "stretched"
    built = (dimer_system if kind == "dimer" else polymer_system)(
        SystemSite(Path(), "CPU"),
        kT=kT_of(kind),
        start=state,
        timestep=0.005,
        friction=1.0,
        platform="CPU",
        **PLAIN[kind],
    )
    system = mm.XmlSerializer.clone(built.openmm_system)
    if way == "flat":
        names = [system.getForce(k).getName() for k in range(system.getNumForces())]
        system.removeForce(
            names.index("bond of the dimer" if kind == "dimer" else "ends of the polymer")
        )
        low, high = WALLS[kind]
        wall = mm.CustomBondForce(f"100*(max(0,{low!r}-r)^2+max(0,r-{high!r})^2)")
        wall.addBond(0, END[kind], [])
        system.addForce(wall)
    free = np.ones((system.getNumParticles(), 3), bool) if built.free is None else built.free
    dt = TIMESTEP[kind]
    if built.free is None:
        integrator: Any = mm.LangevinMiddleIntegrator(built.temperature, FRICTION, dt)
    else:
        integrator = middle(built.kT, FRICTION, dt, free)
    integrator.setRandomNumberSeed(1000 + seed)
    context = make_context(system, integrator, "CPU")
    context.setPositions(built.initial().positions.reshape(-1, 3))
    rng = np.random.default_rng(seed)
    context.setVelocities(np.sqrt(built.kT) * rng.standard_normal(free.shape) * free)
    integrator.step(10_000)
    path = RUNS / f"particles_{kind}_{way}-{seed}.npz"
    path.parent.mkdir(exist_ok=True)
    r = np.empty(steps // EVERY, dtype=np.float32)
    out, begin = np.empty(free.shape), time.perf_counter()
    for k in range(len(r)):
        integrator.step(EVERY)
        state_now = mm.Context.getState(context, positions=True)
        state_now._getVectorAsNumpy(mm.State.Positions, out)
        r[k] = np.linalg.norm(out[END[kind]] - out[0])
        if (k + 1) % (len(r) // 20) == 0:
            np.savez(path, r=r[: k + 1], wall_s=time.perf_counter() - begin)
            print(kind, way, seed, f"{(k + 1) / len(r):.0%}", flush=True)


def read(kind: str, way: str) -> list[Floats]:
    """The blocks of all runs of one way."""
    blocks: list[Floats] = []
    for path in sorted(RUNS.glob(f"particles_{kind}_{way}-*.npz")):
        r = np.load(path)["r"].astype(np.float64)
        if way == "plain":
            blocks += np.array_split(r, BLOCKS)
        else:
            low, high = WALLS[kind]
            wall = 100 * (np.maximum(0, low - r) ** 2 + np.maximum(0, r - high) ** 2)
            # the walls are weighted away where they begin; beyond the range nothing is used
            blocks += np.array_split(np.stack([r, wall / kT_of(kind)], axis=1), BLOCKS)
    return blocks


def histogram(
    kind: str, way: str, block: Floats, own: dict[str, Any] | None
) -> tuple[Floats, float, float]:
    """Weights by bin, and in the compact and the stretched state; `own` of the solute's term.

    Without one (None) the term is left out.
    """
    low, high = RANGE[kind]
    edges = np.linspace(low, high, round((high - low) / WIDTH) + 1)
    if way == "plain":
        r, w = block, np.ones(len(block))
    else:
        r = block[:, 0]
        w = np.exp(block[:, 1])
        if own is not None:
            # no term goes below −k; one shift for all blocks
            w *= np.exp(-(own_term(kind, r, own) + own.get("k", 9.1)) / kT_of(kind))
    inside = (r >= low) & (r < high)
    r, w = r[inside], w[inside]
    counts = np.histogram(r, edges, weights=w)[0]
    stretched = float(w[r >= top(kind)].sum())
    return counts.astype(np.float64), float(w.sum()) - stretched, stretched


def jackknife(values: Floats) -> tuple[Floats, Floats]:
    """F = −ln of the sum over blocks, shape (blocks, …), and its error."""
    total = values.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = -np.log(total - values)
        n = len(values)
        error = np.sqrt((n - 1) / n * ((left - left.mean(0)) ** 2).sum(0))
        return -np.log(total), error


def correlation_time(blocks: list[Floats], stride: float) -> float:
    """Integrated correlation time of the distance, in reduced time, averaged over blocks."""
    found = []
    for block in blocks:
        r = block if block.ndim == 1 else block[:, 0]
        d = r - r.mean()
        f = np.fft.rfft(d, 2 * len(d))
        c = np.fft.irfft(f * f.conj())[: len(d)] / np.arange(len(d), 0, -1)
        tau = 2 * np.cumsum(c / c[0]) - 1
        stop = int(np.argmax(np.arange(len(tau)) > 5 * tau))
        found.append(0.5 * tau[stop] * stride)
    return float(np.mean(found))


def profile(kind: str, way: str, own: dict[str, Any] | None) -> dict[str, Any]:
    """F of the bins against their least, of the states, and how it was found."""
    blocks = read(kind, way)
    parts = [histogram(kind, way, b, own) for b in blocks]
    counts = np.array([p[0] for p in parts])
    states = np.array([p[1:] for p in parts])
    f, error = jackknife(counts / counts.sum())
    total, of_states = states.sum(0), np.log(states.sum(0)[0] / states.sum(0)[1])
    rest = total - states
    ratio = np.log(rest[:, 0] / rest[:, 1])
    n = len(ratio)
    stretched = total[1] / total.sum()
    left = rest[:, 1] / rest.sum(1)
    good = np.isfinite(f) & np.isfinite(error)
    f = f - f[good].min()
    return {
        "f_kT": [round(float(v), 5) if g else None for v, g in zip(f, good, strict=True)],
        "stderr_kT": [round(float(v), 5) if g else None for v, g in zip(error, good, strict=True)],
        "p_stretched": float(stretched),
        "p_stretched_stderr": float(np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())),
        "delta_f_kT": float(of_states),
        "delta_f_stderr_kT": float(np.sqrt((n - 1) / n * ((ratio - ratio.mean()) ** 2).sum())),
        "steps": int(sum(len(b) for b in blocks) * EVERY),
        "runs": len(blocks) // BLOCKS,
        "correlation_time": correlation_time(blocks, EVERY * TIMESTEP[kind]),
        "block_length": EVERY * TIMESTEP[kind] * float(np.mean([len(b) for b in blocks])),
    }


def states(kind: str) -> list[dict[str, float]]:
    """ΔF = −ln P(stretched)/P(compact) for barriers from 2 to 10 ε, from the same runs."""
    name, heights = ("h", (2, 4, 6, 8, 10)) if kind == "dimer" else ("k", (2.6, 5.2, 9.1, 13.0))
    out = []
    for height in heights:
        p = profile(kind, "flat", {name: float(height)})
        out.append({name: height, **{k: p[k] for k in ("delta_f_kT", "delta_f_stderr_kT")}})
    return out


def summarise(kind: str) -> None:
    """Write what all runs give together."""
    low, high = RANGE[kind]
    edges = np.linspace(low, high, round((high - low) / WIDTH) + 1)
    found: dict[str, Any] = {
        "schema_version": 1,
        "system": {"kind": kind, "kT": kT_of(kind)},
        "delta_f": "−ln P(stretched)/P(compact), parted at `top`; above all ways, weighted",
        "top": top(kind),
        "centres": [round(float(c), 4) for c in 0.5 * (edges[1:] + edges[:-1])],
        "timestep": TIMESTEP[kind],
        "flat": profile(kind, "flat", {}),
        "without_own_term": profile(kind, "flat", None),
        "states": states(kind),
    }
    if list(RUNS.glob(f"particles_{kind}_plain-*.npz")):
        found["plain"] = {"own": PLAIN[kind], **profile(kind, "plain", {})}
        found["flat_as_plain"] = profile(kind, "flat", PLAIN[kind])
    ways = ["flat", *(["plain"] if "plain" in found and kind == "dimer" else [])]
    precision = np.array([found[w]["delta_f_stderr_kT"] ** -2 for w in ways])
    values = np.array([found[w]["delta_f_kT"] for w in ways])
    found["delta_f_kT"] = float(values @ precision / precision.sum())
    found["delta_f_stderr_kT"] = float(precision.sum() ** -0.5)
    path = HERE / f"{kind}.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for way in ("flat", "flat_as_plain", "plain"):
        if way in found:
            p = found[way]
            print(
                f"{kind} {way}: ΔF = {p['delta_f_kT']:.4f} ± {p['delta_f_stderr_kT']:.4f} kT,"
                f" P(stretched) = {p['p_stretched']:.4f} ± {p['p_stretched_stderr']:.4f},"
                f" τ = {p['correlation_time']:.1f}, blocks of {p['block_length']:.0f},"
                f" {p['steps']:.3g} steps"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("dimer", "polymer"))
    parser.add_argument("what", choices=("flat", "plain", "summarise"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    if args.what == "summarise":
        summarise(args.kind)
    else:
        run(args.kind, args.what, args.seed, args.steps or STEPS[args.kind])


if __name__ == "__main__":
    main()
