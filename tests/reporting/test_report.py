"""`msgen status`, `report` and `export` on run directories, alive, stopped and empty."""

from __future__ import annotations

import base64
import html.parser
import json
import re
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import mdtraj
import numpy as np
import pytest
from places import TESTS
from reporting import KT, PHI, PSI, header, info

from msgen.actors.base import Segment
from msgen.orchestrator.base import StateEstimate, Status
from msgen.orchestrator.reporting.diagnostic_words import WORDS, named
from msgen.orchestrator.reporting.html_report import export, status, write_report
from msgen.orchestrator.reporting.monitor import Monitor
from msgen.orchestrator.reporting.report_style import STYLE
from msgen.orchestrator.reporting.results import RunHeader
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.lock import RunLock
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.schema.problems import CampaignError

RUNS_BEFORE = TESTS / "run_directory" / "runs_before"
REGIONS = {"C7ax": {"phi": (0.0, 2.27)}}
HEADER = header(PHI, PSI, regions=REGIONS)


def a_run(
    run_dir: Path, ended: Status | None = "exhausted", head: RunHeader = HEADER, rounds: int = 2
) -> None:
    log = EventLog(run_dir / "events.jsonl")
    log.write("start", name=head.campaign)
    m = Monitor(run_dir, head)
    for rnd in range(rounds):
        m.round(info(rnd, phase="explore" if rnd == 0 else "produce"))
        log.write("round", number=rnd)
    if ended is not None:
        m.close(ended, "energy evaluations spent")


def test_status_of_a_live_a_dead_and_an_ended_run(tmp_path: Path) -> None:
    a_run(tmp_path, ended=None)
    with RunLock(tmp_path):
        alive = status(tmp_path)
    assert alive.startswith("dipeptide: running — unmet: rest: error 0.20 kT")
    assert "phase produce, round 1" in alive
    assert "go on" not in alive
    dead = status(tmp_path)
    assert dead.startswith("dipeptide: stopped, to be resumed")
    assert "to go on: the same msgen-run command again" in dead
    a_run(tmp_path, "exhausted")
    ended = status(tmp_path)
    assert ended.startswith("dipeptide: exhausted — energy evaluations spent")
    assert "F(rest) = -3.60" in ended.replace("F(rest)  ", "F(rest)")
    assert "overhead 2.0 % of wall" in ended
    assert "warning: it ended before every criterion held" in ended


def test_status_leaves_the_run_directory_as_it_was(tmp_path: Path) -> None:
    a_run(tmp_path)
    with RunLock(tmp_path):
        pass
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    status(tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    with RunLock(tmp_path):  # and nothing is left locked
        pass


def test_before_the_first_round(tmp_path: Path) -> None:
    assert status(tmp_path).endswith("has not committed any round")
    why = "budget.wall is spent (5) in round 0"
    EventLog(tmp_path / "events.jsonl").write("stop", status="exhausted", reason=why)
    assert status(tmp_path).endswith(f"has not committed any round: exhausted — {why}")
    with RunLock(tmp_path):
        assert status(tmp_path).endswith("is running, no round committed yet")
    for tell in (write_report, export):
        with pytest.raises(CampaignError, match="no result yet"):
            tell(tmp_path)


def test_failures_are_told(tmp_path: Path) -> None:
    a_run(tmp_path)
    log = EventLog(tmp_path / "events.jsonl")
    log.write("failure", order=[1, "sample", 3], retryable=True, cause="worker lost\nmore")
    assert "warning: 1 work orders failed; the last: worker lost" in status(tmp_path)
    assert "worker lost" in write_report(tmp_path).read_text()


def test_isomers_that_were_left_out_are_named(tmp_path: Path) -> None:
    m = Monitor(tmp_path, HEADER)
    one = info(0)
    found = {**one.estimate.diagnostics, "isomers_left_out": {"ω of ALA2 flipped": 3}}
    m.round(replace(one, estimate=replace(one.estimate, diagnostics=found)))
    m.close("failed", "stopped")
    assert "left out (3 times): ω of ALA2 flipped" in status(tmp_path)


class Page(html.parser.HTMLParser):
    """Collects what an HTML page refers to, its text, what may be too wide, and open tags."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.bare: list[str] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [v or "" for k, v in attrs if k in ("src", "href")]
        known = dict(attrs)
        if (tag == "table" and self.open[-1:] != ["div"]) or "width" in known or "style" in known:
            self.bare.append(tag)
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_file_with_everything_in_it(tmp_path: Path) -> None:
    a_run(tmp_path, head=replace(HEADER, campaign="<script>di&peptide"))
    (tmp_path / "provenance.json").write_text(json.dumps({"seed": 7, "versions": {"numpy": "2.4"}}))
    page = Page()
    page.feed(write_report(tmp_path).read_text())
    assert page.open == []
    assert len(page.sources) == 2
    for source in page.sources:
        assert source.startswith("data:image/png;base64,")
        assert base64.b64decode(source.partition(",")[2]).startswith(b"\x89PNG")
    text = re.sub(r"\s+", " ", page.text)
    assert "<script>di&peptide" in text
    for part in (
        "exhausted — energy evaluations spent", "-3.600", f"{-3.6 * KT:.3f}",
        "steered paths accepted",
        "overhead 2.0 % of wall", "versions.numpy", "100,000", "rest: error 0.20 kT",
        "0 (reference)",
    ):  # fmt: skip
        assert part in text


def test_the_report_fits_a_phone_and_paper(tmp_path: Path) -> None:
    """Nothing has a width of its own, and tables scroll in a room of theirs."""
    a_run(tmp_path)
    text = write_report(tmp_path).read_text()
    page = Page()
    page.feed(text)
    assert page.bare == []
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    for rule in (
        "img{max-width:100%;height:auto}", ".wide{overflow-x:auto", "pre{overflow-x:auto",
        "@media print{", ".wide,pre{overflow:visible}", "pre{white-space:pre-wrap",
    ):  # fmt: skip
        assert rule in STYLE
    twin = Page()
    bare = re.sub(r'<div class="wide[^"]*"><table>', "<table>", text)
    twin.feed(bare.replace("</table></div>", "</table>"))
    assert "table" in twin.bare


def test_diagnostics_have_names_and_meanings(tmp_path: Path) -> None:
    a_run(tmp_path)
    page = Page()
    page.feed(write_report(tmp_path).read_text())
    for part in ("effective samples", "R̂, phi", "round trips", "what the samples are worth"):
        assert part in page.text
    assert "acceptance.local" not in page.text
    told, rest = named(
        {
            "overlap": {"A–B": 0.2}, "exact_run": {"ess": 12.0}, "warnings": ["told above"],
            "probes": {"said": "told above", "missed": []}, "own": {"key": [1, 2.5]},
            "acceptance": {"exchange": 0.31},
        }
    )  # fmt: skip
    assert [(t.name, t.value) for t in told] == [
        ("effective samples (of the exact run)", "12"), ("exchanges accepted", "0.31"),
        ("overlap, A–B", "0.2"), ("basins missed", "none"),
    ]  # fmt: skip
    assert rest == {"own.key": "1, 2.5"}


@pytest.mark.parametrize("run", sorted(RUNS_BEFORE.glob("*.tar.xz")), ids=lambda p: p.name[:-7])
def test_diagnostics_of_every_strategy_are_named(run: Path) -> None:
    with tarfile.open(run) as archive:
        (name,) = (n for n in archive.getnames() if n.endswith("results/free_energy.json"))
        file = archive.extractfile(name)
        assert file is not None
        diagnostics = json.load(file)["diagnostics"]
    told_elsewhere = {"converged", "unmet", "ungrounded"}
    _, rest = named({k: v for k, v in diagnostics.items() if k not in told_elsewhere})
    assert not rest


def test_words_of_diagnostics_can_all_be_reached() -> None:
    """None is hidden behind one that fits the same keys, and names hold what the stars matched."""
    for word in WORDS:
        key = word.key.replace("*", "X")
        tree: object = 0.5
        for part in reversed(key.split(".")):
            tree = {part: tree}
        (told,), _ = named(cast("dict[str, object]", tree))
        assert told.means == word.means, key
        assert told.name.count("X") == word.key.count("*") == word.name.count("{}"), key


@dataclass
class Stored:
    """What `stored` wrote, in the order of the store."""

    cvs: np.ndarray
    log_bias: np.ndarray
    positions: np.ndarray


def stored(run_dir: Path, kind: str = "sample") -> Stored:
    """Two rounds of two orders, each with 2 replicas of 15 samples and their last 4-atom frame."""
    store = Store(run_dir / "store.zarr", "w")
    rng = np.random.default_rng(5)
    parts: list[dict[str, np.ndarray]] = []
    for rnd in range(2):
        segments = []
        for first in (0, 2):
            samples = {
                "cvs": rng.uniform(-np.pi, np.pi, (30, 2)),
                "log_bias": rng.normal(0, 1, 30),
                "replica": np.repeat([first, first + 1.0], 15),
                "positions": rng.normal(0, 1, (2, 12)),
                "work": rng.normal(0, 1, 5),
            }
            segments.append(Segment((rnd, kind, first // 2), samples))
            parts.append(samples)
        store.append(rnd, segments)
        store.commit()
    return Stored(
        *(np.concatenate([p[k] for p in parts]) for k in ("cvs", "log_bias", "positions"))
    )


def npz(run_dir: Path) -> dict[str, np.ndarray]:
    with np.load(run_dir / "results" / "samples.npz") as file:
        return dict(file)


@pytest.mark.parametrize("kind", ["sample", "walk"])
def test_export_weighs_states_by_their_free_energies(tmp_path: Path, kind: str) -> None:
    a_run(tmp_path)
    wrote = stored(tmp_path, kind)
    names = {p.name for p in export(tmp_path)}
    assert names == {
        "fes.csv", "fes.dat", "bias.dat", "samples.npz", "samples.csv", "COLVAR", "frames.dcd",
        "frames.csv",
    }  # fmt: skip
    columns = npz(tmp_path)
    np.testing.assert_array_equal(columns["cvs"], wrote.cvs)
    np.testing.assert_array_equal(columns["round"], np.repeat([0, 1], 60))
    np.testing.assert_array_equal(columns["replica"], np.tile(np.repeat([0, 1, 2, 3], 15), 2))
    weight = columns["weight"]
    assert weight.sum() == pytest.approx(1)
    assert (weight[:60] == 0).all()  # round 0 explored: it is no equilibrium sample
    ax = ((wrote.cvs[:, 0] >= 0) & (wrote.cvs[:, 0] < 2.27))[60:]
    for member, p in ((ax, 1 / (1 + np.exp(3.6))), (~ax, 1 / (1 + np.exp(-3.6)))):
        share = np.exp(-wrote.log_bias[60:][member])
        np.testing.assert_allclose(weight[60:][member], p * share / share.sum(), rtol=1e-10)
    table = np.loadtxt(tmp_path / "results" / "samples.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 2], weight, rtol=1e-8)
    np.testing.assert_allclose(table[:, 3:], wrote.cvs, rtol=1e-8)


def test_the_trajectory_comes_in_angstrom_with_its_own_rows(tmp_path: Path) -> None:
    a_run(tmp_path)
    wrote = stored(tmp_path)
    export(tmp_path)
    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(4):
        topology.add_atom("C", mdtraj.element.carbon, residue)
    frames = mdtraj.load_dcd(str(tmp_path / "trajectories" / "frames.dcd"), top=topology)
    np.testing.assert_allclose(frames.xyz.reshape(8, 12), wrote.positions, atol=1e-5)
    table = np.loadtxt(tmp_path / "trajectories" / "frames.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 3:], wrote.cvs[14::15], rtol=1e-8)
    np.testing.assert_array_equal(table[:, 1], [0, 1, 2, 3, 0, 1, 2, 3])
    weight = npz(tmp_path)["weight"][14::15]
    np.testing.assert_allclose(table[:, 2], weight / weight.sum(), rtol=1e-8)


def test_where_states_were_found_the_surface_weighs(tmp_path: Path) -> None:
    a_run(tmp_path, head=replace(HEADER, regions={}))
    wrote = stored(tmp_path)
    export(tmp_path)
    weight = npz(tmp_path)["weight"]
    made = info(1).estimate
    bins = tuple(
        np.searchsorted(np.linspace(-np.pi, np.pi, len(a) + 1), wrote.cvs[:, c], "right") - 1
        for c, a in enumerate(made.axes.values())
    )
    f = np.nan_to_num(made.f_kT[bins], nan=np.inf)
    expected = np.zeros(120)
    for i in range(60, 120):
        same = (np.arange(120) >= 60) & (bins[0] == bins[0][i]) & (bins[1] == bins[1][i])
        expected[i] = np.exp(-f[i] - wrote.log_bias[i]) / np.exp(-wrote.log_bias[same]).sum()
    np.testing.assert_allclose(weight, expected / expected.sum(), rtol=1e-10)


def test_an_analytic_system_has_no_trajectory(tmp_path: Path) -> None:
    a_run(tmp_path, head=replace(HEADER, temperature_K=None, kT_kJ_per_mol=None))
    stored(tmp_path)
    assert "frames.dcd" not in {p.name for p in export(tmp_path)}


def test_export_of_a_run_without_samples_still_writes_the_surface(tmp_path: Path) -> None:
    a_run(tmp_path, rounds=1)
    assert {p.name for p in export(tmp_path)} == {"fes.csv", "fes.dat", "bias.dat"}


def test_a_state_never_seen_weighs_nothing(tmp_path: Path) -> None:
    m = Monitor(tmp_path, HEADER)
    for rnd in range(2):
        seen = info(rnd)
        states = {"C7ax": StateEstimate(0.0, 0.0), "rest": StateEstimate(None, None)}
        m.round(replace(seen, estimate=replace(seen.estimate, states=states)))
    m.close("failed", "stopped")
    wrote = stored(tmp_path)
    export(tmp_path)
    weight = npz(tmp_path)["weight"]
    ax = (wrote.cvs[:, 0] >= 0) & (wrote.cvs[:, 0] < 2.27)
    assert (weight[~ax] == 0).all()
    assert weight[ax].sum() == pytest.approx(1)
