"""The mean volume at constant pressure, and its error from replicas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reporting import PHI, PSI, header, info

from msgen.orchestrator.reporting import stored_samples
from msgen.orchestrator.reporting.html_report import write_report
from msgen.orchestrator.reporting.monitor import Monitor
from msgen.orchestrator.reporting.samples import Samples
from msgen.orchestrator.reporting.volume import mean_volume
from msgen.orchestrator.validate import RESOLVED

MEAN, BETWEEN, WITHIN = 8.0, 0.05, 0.2


def stored(seed: int, replicas: int = 8, frames: int = 20) -> Samples:
    """Frames in an oblique box whose volume has a part that each replica keeps."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(replicas), frames)
    volume = MEAN + BETWEEN * rng.normal(size=replicas)[of] + WITHIN * rng.normal(size=len(of))
    box = np.array([[1.0, 0.0, 0.0], [0.3, 1.0, 0.0], [-0.2, 0.1, 1.0]])
    boxes = box * np.cbrt(volume)[:, None, None]
    weight = rng.uniform(0.5, 1.5, len(of))
    weight[:5] = 0.0  # before production
    boxes[:5] *= 2.0
    rows = np.arange(len(of))
    return Samples(
        np.zeros(len(of), dtype=np.int64), of, weight / weight.sum(), np.zeros((len(of), 1)),
        np.zeros((len(of), 3)), rows, boxes,
    )  # fmt: skip


def test_the_error_covers_and_counts_replicas() -> None:
    """Of 400 runs; the twin takes frames for independent."""
    told = [mean_volume(stored(seed)) for seed in range(400)]
    z = np.array([(t.mean - MEAN) / t.stderr for t in told if t is not None and t.stderr])
    assert len(z) == 400
    assert abs(z.mean()) < 4 / np.sqrt(400)
    # Student's t of 7 degrees of freedom has 1.18; the twin 1.48
    assert z.std() == pytest.approx(1.18, abs=4 * 1.18 / np.sqrt(800))


def test_what_is_not_known() -> None:
    few = mean_volume(stored(1, replicas=3))
    assert few is not None
    assert few.stderr is None
    assert "not known" in few.in_words()
    assert few.frames == 55
    one = stored(2)
    assert mean_volume(Samples.empty(1)) is None
    nothing = Samples(
        one.round, one.replica, 0 * one.weight, one.cvs, one.frames, one.frame_rows, one.boxes
    )
    assert mean_volume(nothing) is None


CAMPAIGN = """
name: dipeptide
system: {kind: openmm, structure: a.pdb, forcefield: [amber14-all.xml], temperature: 320 KPRESSURE}
cvs: {phi: {kind: dihedral, atoms: [0, 1, 2, 3]}}
strategy: {kind: local}
"""


@pytest.mark.parametrize(
    ("pressure", "boxes", "told"),
    [
        (", pressure: 1 bar", True, "Volume: 8.0"),
        (", pressure: 1 bar", False, "no frames that count are stored"),
        ("", True, ""),
    ],
)
def test_the_report_tells_it_at_constant_pressure(
    pressure: str, boxes: bool, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = stored(4) if boxes else None
    monkeypatch.setattr(stored_samples, "stored_samples", lambda *_: samples)
    m = Monitor(tmp_path, header(PHI, PSI))
    m.round(info(0))
    m.close("exhausted", "spent")
    (tmp_path / RESOLVED).write_text(CAMPAIGN.replace("PRESSURE", pressure))
    page = write_report(tmp_path).read_text()
    assert ("Volume" in page) == bool(told)
    assert told in page
