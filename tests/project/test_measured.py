"""Tables of README and docs/results.md are those of the rows that are kept (`make tables`)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from measured import (
    PAGES,
    REFERENCE,
    TABLES,
    TRIALS,
    Rows,
    campaigns,
    demo_row,
    keep_campaigns,
    kept,
    rewritten,
)
from places import ROOT

BY_HAND = {
    "reference | F(C7ax) − F(rest) / kT | steps",
    (
        "evaluations | msgen | its reported error, χ² of 5 seeds | OPES (openmm-opes 0.2.0) | well-"
        "tempered metadynamics (OpenMM)"
    ),
    "strategy | at 2.5 M | at 5 M | at 10 M | at 20 M",
    "other systems by parallel tempering | exact | found | evaluations",
    "campaign | exact | found | evaluations | wall",
    "| others, K = 50 | msgen, seeds 3–6",
    "| reported | expected",
    "campaign | exact | before | evaluations | after | evaluations",
    "| against | ratio",
}
"""Heads of tables from before rows were kept; one whose benchmark is run again gets its rows."""


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_tables_are_those_of_the_rows(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- table: " in text
    assert rewritten(text) == text


def test_every_table_that_can_be_made_stands_in_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert sorted(re.findall(r"<!-- table: (\w+) -->", text)) == sorted(TABLES)


def test_a_figure_that_was_changed_is_seen() -> None:
    def later(name: str) -> Rows:
        rows = kept(name)
        return [{**rows[0], "f_kT": rows[0]["f_kT"] + 1.0}, *rows[1:]] if name == "demo" else rows

    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    assert all(rewritten(text, later) != text for text in texts if "table: demo" in text)


def test_no_other_table_is_written_by_hand() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    text = re.sub(r"<!-- table: .*?<!-- end of table -->", "", text, flags=re.DOTALL)
    heads = re.findall(r"^\| ?(.*) \|\n\|[-|]+\|$", text, re.MULTILINE)
    assert set(heads) == BY_HAND


def test_trials_of_the_benchmark_have_words() -> None:
    known = {row["what"].partition(":")[0] for row in kept("converged")}
    assert known == set(TRIALS)


def test_campaigns_are_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is run again takes its row's place; a benchmark goes on from rows of the pages."""
    monkeypatch.setattr("measured.MEASURED", tmp_path)
    row = {"trial": "a-local", "seed": 1, "status": "converged", "reason": "holds", "unmet": []}
    states = {"left": [0.0, 0.0], "rest": [0.123456, None]}
    keep_campaigns("traps", [{**row, "seed": 10, "states": states}, {**row, "states": states}])
    again = {**row, "status": "exhausted", "unmet": ["ess"], "states": states}
    keep_campaigns("traps", [again])
    found = campaigns("traps")
    assert [r["seed"] for r in found] == [1, 10]
    assert [r["status"] for r in found] == ["exhausted", "converged"]
    assert found[1]["states"] == {"left": [0.0, 0.0], "rest": [0.1235, None]}
    assert "unmet" not in found[1]


def test_campaigns_of_the_traps_say_what_the_table_says() -> None:
    """None is left out of it that is kept, and none counted that is not."""
    ended: dict[str, list[str]] = {}
    for row in campaigns("traps"):
        ended.setdefault(row["trial"], []).append(row["status"])
    said = {r["what"]: (r["value"], r["reference"]) for r in kept("traps")}
    for trial, statuses in ended.items():
        expected = (statuses.count("converged"), f"of {len(statuses)}")
        assert said[f"{trial}: converged"] == expected, trial


def test_the_traps_say_how_many_converge_where_nothing_is_hidden() -> None:
    """Those that are kept one by one, and those before them."""
    rows, make = TABLES["traps"]
    share = "nothing hidden: converged"
    other = [{**r, "reference": "0 of 1000"} if r["what"] == share else r for r in kept(rows)]
    before = next(r["reference"] for r in kept("traps_before") if r["what"] == share)
    got, asked = map(int, before.split(" of "))
    assert f"{got} of {asked + 1000} converged within" in make(other)


def test_a_run_of_the_demo_is_read(tmp_path: Path) -> None:
    """Against the reference itself, one bin off by the width of all: its RMS follows."""
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    low = sum(v is not None and v < 8.0 for row in reference["f_kT"] for v in row)
    surface = [[None if v is None else v + 0.3 for v in row] for row in reference["f_kT"]]
    k, j = next((k, j) for k, row in enumerate(surface) for j, v in enumerate(row) if v == 0.3)
    surface[k][j] += 1.0
    (tmp_path / "results").mkdir()
    result = {
        "status": "converged",
        "states": {"C7ax": {}, "rest": {"f_kT": -3.5, "stderr_kT": 0.05}},
        "surface": {"f_kT": surface},
        "cost": {"energy_evaluations": 4_000_000},
    }
    (tmp_path / "results" / "free_energy.json").write_text(json.dumps(result))
    made = {"seed": 3, "versions": {"msgen": "0.1.0"}}
    (tmp_path / "provenance.json").write_text(json.dumps(made))
    row = demo_row(tmp_path)
    assert (row["seed"], row["f_kT"], row["energy_evaluations"]) == (3, 3.5, 4_000_000)
    share = 1.0 / low
    assert row["rms_kT"] == pytest.approx((share * (1.0 - share)) ** 0.5, abs=1e-4)


def test_make_tables_is_there() -> None:
    done = subprocess.run(
        ["make", "-n", "tables", "ARGS=runs/a"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "tests/tables.py runs/a" in done.stdout
