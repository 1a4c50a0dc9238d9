"""mypy --strict on a user's script against `import msgen`, and on a role that reads its order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

SCRIPT = """
from pathlib import Path
import numpy as np
import msgen
from msgen.actors.base import WorkOrder
from msgen.actors.orders.sample import SamplePayload

campaign: dict[str, object] = {"system": {"kind": "double_well"}, "replicas": 8}
def go() -> tuple[float, int]:
    try:
        result = msgen.run(campaign, output_dir=Path("runs"), overrides={"seed": 1}, quiet=True)
    except msgen.CampaignError as error:
        raise SystemExit([problem.remedy for problem in error.problems]) from error
    again: msgen.Result = msgen.load(result.run_dir)
    value: msgen.StateEstimate = again.free_energies["left"]
    f = value.f_kT if value.f_kT is not None else float("nan")
    samples: msgen.Samples = again.samples()
    mean = float(np.average(samples.cvs[:, 0], weights=samples.weight))
    surface: msgen.Surface = again.surface
    unit: str = again.cvs[0].unit
    again.plot().savefig(f"{unit}.png")
    if again.status == "converged":
        print(msgen.plan("campaign.yaml"), msgen.validate(Path("campaign.yaml"))["name"])
    return f + mean + float(np.nanmax(surface.f_kT)), len(samples)

def replicas(order: WorkOrder) -> int:
    return len(order.read(SamplePayload).replicas)
"""

WRONG = {
    'msgen.run(3)': 'Argument 1 to "run"',
    'msgen.run("c.yaml", resume="perhaps")': 'Argument "resume" to "run"',
    'msgen.load("runs/c").status == "done"': "Non-overlapping equality check",
    'msgen.load("runs/c").free_energies["A"].f_kT + 1': "Unsupported operand types",
    "msgen.rum": 'has no attribute "rum"',
    'WorkOrder(0, "sample", 0).read(SamplePayload).replica': 'no attribute "replica"; maybe',
    'WorkOrder(0, "sample", 0).read(SamplePayload).steps + "s"': "Unsupported operand types",
}  # fmt: skip


def test_a_script_is_understood_and_its_mistakes_are_found(tmp_path: Path) -> None:
    if not (ROOT / "build" / "typing" / "msgen" / "__init__.py").exists():
        pytest.skip("`make lint` makes what mypy reads msgen by")
    lines = SCRIPT.splitlines()
    script = tmp_path / "script.py"
    script.write_text("\n".join([*lines, *WRONG]) + "\n")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml",
         "--cache-dir", ROOT / ".mypy_cache", script],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = [line for line in ran.stdout.splitlines() if ": error:" in line]
    assert len(told) == len(WRONG), ran.stdout + ran.stderr
    for number, (line, what) in enumerate(zip(told, WRONG.values(), strict=True), len(lines) + 1):
        assert f":{number}: error:" in line
        assert what in line
