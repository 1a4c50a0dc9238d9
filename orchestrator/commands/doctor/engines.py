"""What computes: OpenMM's platforms, graphics cards, and Ray."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import openmm as mm
import torch
from openmm import app

from msgen.orchestrator.commands.doctor.base import Finding
from msgen.systems.base import Array
from msgen.systems.errors import first_line
from msgen.systems.openmm.platforms import make_context, microseconds_a_step, platform_names

AGREE = 5e-3
"""By how much forces of a platform may be off Reference's, of their largest; precision is mixed."""
KNOCK = 5.0
"""Seconds that an address has to take a connection."""
PATIENCE = 90.0
"""Seconds that joining Ray may take; on a busy cluster it is some ten."""
_JOIN = """
import sys
from msgen.orchestrator.executors.ray.connection import cluster
with cluster(sys.argv[1]):
    pass
"""
WATERS = 64
SIDE = 1.25
"""nm, of the box of them."""
_SITES = np.array([[0.0, 0.0, 0.0], [0.09572, 0.0, 0.0], [-0.02399, 0.09266, 0.0]])
"""nm, of one."""


@dataclass(frozen=True)
class Probe:
    """A box of water to try platforms with.

    Attributes
    ----------
    system : openmm.System
    positions : Array, shape (N, 3)
    box : Array, shape (3, 3)
    """

    system: mm.System
    positions: Array
    box: Array

    @classmethod
    def waters(cls) -> Probe:
        """Waters on a lattice, with PME."""
        topology, places = app.Topology(), []
        chain = topology.addChain()
        edge = round(WATERS ** (1 / 3))
        for k in range(WATERS):
            residue = topology.addResidue("HOH", chain)
            o, *h = (
                topology.addAtom(n, app.element.get_by_symbol(n[0]), residue)
                for n in ("O", "H1", "H2")
            )
            for one in h:
                topology.addBond(o, one)
            at = np.array([k % edge, k // edge % edge, k // edge**2]) * SIDE / edge
            places += [at + one for one in _SITES]
        box = SIDE * np.eye(3)
        topology.setPeriodicBoxVectors(box)
        field = app.ForceField("tip3p.xml")
        options = {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.55 * mm.unit.nanometer}
        system = field.createSystem(topology, removeCMMotion=False, **options)
        return cls(system, np.array(places), box)

    def forces(self, platform: str) -> Array:
        """kJ/(mol nm), shape (N, 3)."""
        context = make_context(self.system, mm.VerletIntegrator(0.001), platform)
        context.setPositions(self.positions)
        forces = context.getState(forces=True).getForces(asNumpy=True)
        return np.array(forces._value, dtype=np.float64)


def platforms(probe: Probe) -> Iterator[Finding]:
    """Each platform of OpenMM's: whether it runs, agrees with Reference, and how fast it is."""
    reference = probe.forces("Reference")
    names = platform_names()
    for name in names:
        what = f"OpenMM {name}"
        try:
            off = float(np.abs(probe.forces(name) - reference).max() / np.abs(reference).max())
            speed = microseconds_a_step(probe.system, probe.positions, probe.box, 0.001, name, 0.1)
        except Exception as error:  # a driver that does not fit raises whatever it likes
            text = first_line(error)
            remedy = f"Mend its driver, or leave it: platform: {_other(names, name)}"
            yield Finding(what, "note", f"is installed and does not run: {text}", remedy)
            continue
        said = f"{speed:,.3g} µs a step of {WATERS} waters"
        if not off <= AGREE:
            remedy = (
                f"Do not use it: platform: {_other(names, name)}. Reinstall OpenMM or the driver"
            )
            yield Finding(what, "wrong", f"forces are off Reference's by {off:.2g}", remedy)
        else:
            yield Finding(what, "fine", f"{said}, forces as on Reference to {max(off, 1e-16):.1g}")
    causes = [str(one).strip().splitlines()[0] for one in mm.Platform.getPluginLoadFailures()]
    if causes:
        missing = causes[0].rpartition(".so: ")[2] or causes[0]
        said = f"{len(causes)} could not be loaded: {missing}"
        yield Finding("OpenMM plug-ins", "note", said, "Needed for platforms not above only")


def _other(names: list[str], name: str) -> str:
    return next(n for n in ("CPU", "Reference") if n in names and n != name)


def graphics() -> Iterator[Finding]:
    """Whether a card that is here is used, by OpenMM and by torch."""
    seen = shutil.which("nvidia-smi") is not None
    of_openmm = [n for n in ("CUDA", "OpenCL", "HIP") if n in platform_names()]
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count()))
        if "CUDA" not in of_openmm and "HIP" not in of_openmm:
            remedy = "pip install 'openmm[cuda12]', or OpenMM from conda-forge"
            yield Finding("GPU", "note", f"{names}: torch uses it, OpenMM cannot", remedy)
        else:
            yield Finding("GPU", "fine", names)
    elif seen:
        remedy = "Install a torch that is built for CUDA, and a driver that fits it"
        yield Finding("GPU", "note", "there is a driver, and torch sees no card", remedy)
    else:
        yield Finding("GPU", "fine", "none: everything runs on the processor")


def workers(address: str) -> Iterator[Finding]:
    """Whether Ray starts, or the running one can be joined, within `PATIENCE`."""
    what = "starts and ends here" if address == "local" else f"{address} can be joined"
    problem = _started() if address == "local" else _joined(address)
    if problem:
        remedy = "Run without it: --executor inline. On a cluster see docs/cluster.md"
        yield Finding("Ray", "wrong", problem, remedy)
    else:
        yield Finding("Ray", "fine", what)


def _started() -> str:
    """What kept a Ray of our own from starting; '' if nothing did."""
    try:
        # seconds to import
        from msgen.orchestrator.executors.ray.connection import cluster

        with cluster("local"):
            return ""
    except Exception as error:  # of Ray's many
        return first_line(error)


def _joined(address: str) -> str:
    """What kept us from joining; '' if nothing did.

    Ray waits for an address that does not answer for minutes, and cannot be interrupted: so its
    port is knocked at first, and another process does the rest, which can be ended.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), KNOCK).close()
        except TimeoutError:
            return f"{address} does not answer within {KNOCK:g} s"
        except OSError as error:
            return f"{address} does not answer: {error.strerror or error}"
    command = [sys.executable, "-c", _JOIN, address]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return f"{address} lets nobody join within {PATIENCE:g} s"
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or ["no cause given"])[-1]
