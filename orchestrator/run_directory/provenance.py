"""``provenance.json``: what a campaign was run with, and whether it can be repeated bit for bit."""

from __future__ import annotations

import json
import platform as machine
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.run_directory.layout_versions import admit
from msgen.orchestrator.version import __version__
from msgen.systems.plugins import Plugin

SCHEMA_VERSION = 1
FILE = "provenance.json"
_PACKAGES = (
    "numpy",
    "scipy",
    "torch",
    "openmm",
    "mdtraj",
    "pymbar",
    "zuko",
    "ray",
    "zarr",
    "ase",
    "tblite",
)


def versions() -> dict[str, str]:
    """Python's version and those of the packages that numbers depend on."""
    found = {"python": sys.version.split()[0], "msgen": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # ray is not needed by `executor: inline`
            continue
    return found


def read(run_dir: Path) -> dict[str, Any]:
    """The run's provenance; {} before it has one, or where it cannot be read."""
    try:
        record = json.loads((run_dir / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def determinism(platform: str | None, deterministic: bool) -> str:
    """What of a run repeats itself, in a sentence; the parameters are those of `write`."""
    if deterministic:
        return "the same seed, versions and kind of processor give the same samples bit for bit"
    if platform is None:
        return (
            "the system does not repeat itself bit for bit: "
            "a resumed run samples the same ensemble, with other numbers"
        )
    fixed, sums = "seed, round, kind and replica", "by the device's threads as they come"
    if platform == "CPU":
        fixed += " and by the threads of a worker (OPENMM_CPU_THREADS)"
        sums = "in single precision, in an order that depends on what a worker did before"
    return (
        f"platform {platform}: the noise of every order is fixed by {fixed}, whoever does it; "
        f"forces are summed {sums}, so that last digits may differ: "
        "a resumed run samples the same ensemble, in time with other numbers"
    )


def write(
    run_dir: Path,
    *,
    campaign: str,
    seed: int,
    platform: str | None,
    deterministic: bool,
    rules: Sequence[str] = (),
    inputs: Mapping[str, str] | None = None,
    plugins: Sequence[Plugin] = (),
    simulated: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write ``provenance.json``; versions of earlier starts that differed are kept in it.

    Parameters
    ----------
    run_dir : Path
    campaign : str
    seed : int
    platform : str or None
        OpenMM platform chosen for this run, None for an analytic system.
    deterministic : bool
        Of the system on that platform.
    rules : sequence of str
        Keys of the mends of the sampling (`sampling_rules`) that the run is known by.
    inputs : mapping, optional
        Digests of the files that decide the samples.
    plugins : sequence of Plugin
        Whose code the campaign runs; a file without any is as it always was.
    simulated : mapping, optional
        What is simulated, see `msgen.systems.description`.

    Raises
    ------
    FormatError
        If what is there was written in another layout.
    """
    before = read(run_dir)
    if before:
        writer = before.get("versions", {}).get("msgen")
        admit({**before, "msgen": writer}, SCHEMA_VERSION, {}, run_dir / FILE)
    now = versions() | {plugin.distribution: plugin.version for plugin in plugins}
    earlier = list(before.get("earlier_versions", []))
    if before.get("versions", now) != now:
        earlier.append(before["versions"])
    record = {
        "schema_version": SCHEMA_VERSION,
        "campaign": campaign,
        "seed": seed,
        "platform": platform,
        "deterministic": deterministic,
        "rules": list(rules),
        "determinism": determinism(platform, deterministic),
        "versions": now,
        "earlier_versions": earlier,
        "machine": {"system": machine.platform(), "processor": machine.machine()},
    }
    if simulated is not None:
        record["simulated"] = dict(simulated)
    if inputs is not None:
        record["inputs"] = dict(inputs)
    if plugins:
        record["plugins"] = [
            {key: getattr(plugin, key) for key in ("group", "name", "distribution", "version")}
            for plugin in plugins
        ]
    write_atomic(run_dir / FILE, json.dumps(record, indent=1) + "\n")
    return record


def changes(before: Mapping[str, Any], plugins: Sequence[Plugin]) -> Iterator[tuple[Plugin, str]]:
    """Plug-ins that the run in hand knew in another version, and who brought them then.

    Parameters
    ----------
    before : Mapping
        What `provenance.json` was.
    plugins : sequence of Plugin
        Those of now.
    """
    known = {
        (then["group"], then["name"]): f"{then['distribution']} {then['version']}"
        for then in before.get("plugins", ())
    }
    for plugin in plugins:
        was = known.get((plugin.group, plugin.name), plugin.brought_by)
        if was != plugin.brought_by:
            yield plugin, was
