"""Tables of the documentation, made from rows that are kept in docs/measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from places import ROOT

MEASURED = ROOT / "docs" / "measured"
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
REFERENCE = ROOT / "tests" / "references" / "alanine_dipeptide.json"
T_VARIANCE = 15 / 13
"""Of (F − exact)/σ where σ comes from 16 replicas."""
Rows = list[dict[str, Any]]
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
TRIALS = {
    "steered": "double well, steered, 32 replicas",
    "steered_4": "the same, 4 replicas",
    "steered_8": "the same, 8 replicas",
    "umbrella": "the same, umbrella, 4 ladders of 5 windows",
    "importance": "mixture of two Gaussians in 4-D, importance",
}
"""Of the benchmark `converged`, in words."""
FAMILIES = (
    (r"hidden_y", "a double well of 4 to 10 kT in y, which no CV sees"),
    (r"(narrow|wide)_third", "45 % in a third state off the CV axis, narrow or wide"),
    (r"nine_|two_named", "nine wells, of which none, all or two are named"),
    (r"dimensions_", "two Gaussians 7 and 8 σ apart in 50 and 200 dimensions"),
    (r"deep_", "wells 12 to 50 kT deep"),
    (r"corridor", "a corridor, and 25 kT up: paths too short"),
    (r"walls_|step", "walls where the energy is not finite, and a step"),
    (r"start_", "a start in the lesser state, or on the barrier"),
    (r"defaults_", "nothing hidden, all defaults, three surfaces"),
    (r"alanine_", "alanine dipeptide: the demo, one of its two CVs, a start that is cis"),
    (r"", "others: CVs askew, degenerate wells, stiff beside soft, three CVs"),
)
"""Of the benchmark `traps`: how the names of a family begin, and what is hidden; or the rest."""


def kept(name: str) -> Rows:
    """Rows of docs/measured/NAME.json."""
    found: Rows = json.loads((MEASURED / f"{name}.json").read_text(encoding="utf-8"))
    return found


def keep(name: str, rows: Rows) -> Path:
    """Write them, a line each, so that a change can be read."""
    path = MEASURED / f"{name}.json"
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return path


def campaigns(name: str) -> Rows:
    """How each campaign of a benchmark of many ended, docs/measured/campaigns/NAME.jsonl."""
    path = MEASURED / "campaigns" / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def keep_campaigns(name: str, rows: Rows) -> Path:
    """Write them into that file, in place of those of the same trial and seed."""
    found = {(r["trial"], r["seed"]): r for r in [*campaigns(name), *map(_short, rows)]}
    path = MEASURED / "campaigns" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(found[key], ensure_ascii=False) for key in sorted(found))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty; F and σ to four places."""
    states = {
        state: [None if value is None else round(value, 4) for value in pair]
        for state, pair in row["states"].items()
    }
    return {k: v for k, v in {**row, "states": states}.items() if v or k == "seed"}


def rewritten(text: str, rows_of: Callable[[str], Rows] = kept) -> str:
    """A page with every marked table as its rows have it."""

    def table(match: re.Match[str]) -> str:
        rows, make = TABLES[match[2]]
        return f"{match[1]}{make(rows_of(rows))}\n{match[3]}"

    return _MARKED.sub(table, text)


def demo_row(run_dir: Path) -> dict[str, Any]:
    """What a run of the demo came to: F(C7ax) − F(rest), and its surface against the reference."""
    result = json.loads((run_dir / "results" / "free_energy.json").read_text(encoding="utf-8"))
    made = json.loads((run_dir / "provenance.json").read_text(encoding="utf-8"))
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    ours, theirs = (
        np.array([[np.nan if v is None else v for v in row] for row in surface])
        for surface in (result["surface"]["f_kT"], reference["f_kT"])
    )
    gap = (ours - theirs)[(theirs < 8.0) & np.isfinite(ours)]
    rest = result["states"]["rest"]
    return {
        "seed": made["seed"],
        "status": result["status"],
        "f_kT": round(-rest["f_kT"], 4),
        "stderr_kT": round(rest["stderr_kT"], 4),
        "rms_kT": round(float(np.std(gap)), 4),
        "energy_evaluations": result["cost"]["energy_evaluations"],
        "msgen": made["versions"]["msgen"],
    }


def _signed(value: float) -> str:
    """With two decimals and a minus that is one; no zero has a sign."""
    text = f"{abs(value):.2f}"
    return f"−{text}" if value < 0 and float(text) else text


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    out = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*out, *(f"| {' | '.join(cells)} |" for cells in rows)])


def _demo(rows: Rows) -> str:
    """The seeds, and what they say together."""
    head = (
        "seed", "F(C7ax) − F(rest) / kT", "surface below 8 kT, RMS against the reference / kT",
        "evaluations", "ended",
    )  # fmt: skip
    cells = [
        (str(r["seed"]), f"{r['f_kT']:.3f} ± {r['stderr_kT']:.3f}", f"{r['rms_kT']:.3f}",
         f"{r['energy_evaluations'] / 1e6:.1f} M", r["status"])
        for r in rows
    ]  # fmt: skip
    f, sigma = (np.array([r[key] for r in rows]) for key in ("f_kT", "stderr_kT"))
    mean, error = f.mean(), float(np.sqrt(np.sum(sigma**2))) / len(f)
    chi = float(np.sum(((f - mean) / sigma) ** 2))
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    off = (mean - reference["delta_f_kT"]) / np.hypot(error, reference["stderr_kT"])
    side = "above" if off > 0 else "below"
    said = (
        f"Their mean is {mean:.3f} ± {error:.3f}, {abs(off):.1f} σ {side} the first reference; "
        f"χ² about it is {chi:.1f}, where {(len(f) - 1) * T_VARIANCE:.0f} is expected of errors "
        "from 16 replicas."
    )
    return f"{_lines(head, cells)}\n\n{said}"


def _demo_line(rows: Rows) -> str:
    """The same in a sentence."""
    f, sigma, cost = ([r[key] for r in rows] for key in ("f_kT", "stderr_kT", "energy_evaluations"))
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    ended = sum(r["status"] == "converged" for r in rows)
    return (
        f"Of {len(rows)} kept runs of it with other seeds {ended} converged, after "
        f"{min(cost) / 1e6:.1f} to {max(cost) / 1e6:.1f} M energy evaluations, with "
        f"F(C7ax) − F(rest)\nbetween {min(f):.2f} and {max(f):.2f} kT and errors of "
        f"{min(sigma):.2f} to {max(sigma):.2f}; long simulations give "
        f"{reference['delta_f_kT']:.2f} ± {reference['stderr_kT']:.2f} "
        "([measured](docs/results.md))."
    )


def _values(rows: Rows, what: str) -> dict[str, dict[str, Any]]:
    """Rows that say this, by whose they are."""
    end = f": {what}"
    return {r["what"].removesuffix(end): r for r in rows if r["what"].endswith(end)}


def _of(row: dict[str, Any]) -> int:
    return int(str(row["reference"]).removeprefix("of "))


def _converged(rows: Rows) -> str:
    head = ("", "seeds", "converged", "within 1 σ", "within 1.96 σ", "mean, sd of z",
            "evaluations, median")  # fmt: skip
    ended = _values(rows, "converged")
    one, two, mean, sd, cost = (
        _values(rows, what)
        for what in (
            "within 1.0 sigma", "within 1.96 sigma", "z, mean", "z, sd", "median evaluations",
        )
    )  # fmt: skip
    cells = [
        (TRIALS[k], str(_of(r)), str(r["value"]), f"{100 * one[k]['value']:.0f} %",
         f"{100 * two[k]['value']:.0f} %", f"{_signed(mean[k]['value'])}, {sd[k]['value']:.2f}",
         f"{cost[k]['value'] / 1e6:.2f} M")
        for k, r in ended.items()
    ]  # fmt: skip
    return _lines(head, [*cells, ("expected", "", "", "68 %", "95 %", "0, 1", "")])


def _traps(rows: Rows) -> str:
    """What all came to, and each family; with those whose campaigns were not kept one by one."""
    parts = [part for part in (kept("traps_before"), rows) if part]
    sums = {words: [0, 0, 0] for _, words in FAMILIES}
    for part in parts:
        ended, wrong = _values(part, "converged"), _values(part, "wrong by more than 3 sigma")
        for trial in wrong:
            words = next(w for start, w in FAMILIES if re.match(start, trial))
            for place, number in enumerate(
                (_of(ended[trial]), ended[trial]["value"], wrong[trial]["value"])
            ):
                sums[words][place] += int(number)
    total = np.sum(list(sums.values()), axis=0)
    said = (
        f"{total[0]:,} campaigns so far; {total[1]:,} said `converged`, {total[2]} of them wrong "
        "by more than 3 σ. Of those that\nare not kept one by one z has"
    )
    number = next((r["value"] for r in rows if r["what"].endswith("converged, number")), 0)
    both = (
        f"; the {number} z of those since that have random numbers of their own, campaigns that "
        "are kept\none by one in `docs/measured/campaigns`, have"
    )
    head = ("hidden, or not", "campaigns", "converged", "wrong")
    cells = [(w, *map(str, s)) for w, s in sums.items() if s[0]]
    return f"{said}{both.join(map(_spread, parts))}.{_open(parts)}\n\n" + _lines(head, cells)


def _open(parts: Sequence[Rows]) -> str:
    """How many converge of those that have nothing to find out."""
    told = (
        r["reference"] for rows in parts for r in rows if r["what"].startswith("nothing hidden")
    )
    pairs = [tuple(map(int, one.split(" of "))) for one in told]
    if not pairs:
        return ""
    got, asked = np.sum(pairs, axis=0)
    return (
        f"\nWhere nothing is hidden {got} of {asked} converged within their budget, "
        f"{100 * got / asked:.1f} %; 80 % is asked."
    )


def _configs(rows: Rows) -> str:
    """Every campaign file: what is known, what each seed gave, and after how much."""
    head = ("campaign", "state", "known F / kT", "found", "evaluations, median", "converged")
    ended, cost = _values(rows, "converged"), _values(rows, "median evaluations")
    cells = []
    for row in rows:
        name, _, what = row["what"].partition(": ")
        if not what.startswith("known F of "):
            continue
        state = what.removeprefix("known F of ")
        seeds = [r for r in rows if r["what"].startswith(f"{name}: F of {state}, seed ")]
        found = ", ".join(f"{_signed(r['value'])} {r['reference']}" for r in seeds)
        exact = "" if row["reference"] == "exact" else f" {row['reference']}"
        folder, _, file = name.partition("-")
        path = f"{folder}/{file}" if folder in ("examples", "papers") else name
        known, share = f"{_signed(row['value'])}{exact}", ended[name]
        spent, said = f"{cost[name]['value'] / 1e6:.2f} M", f"{share['value']} {share['reference']}"
        cells.append((f"`{path}`", state, known, found, spent, said))
    return _lines(head, cells)


def _implicit(rows: Rows) -> str:
    """Seeds of each force field, and the reference that the rows name."""
    head = ("force field", "seeds", "converged", "F(rest) − F(left) / kT", "reference",
            "evaluations, median")  # fmt: skip
    cost, cells = _values(rows, "median evaluations"), []
    for field, ended in _values(rows, "converged").items():
        seeds = [r for r in rows if r["what"].startswith(f"{field}: F(rest) − F(left), seed ")]
        told = [str(r["reference"]).split("; reference ") for r in seeds]
        found = ", ".join(
            f"{_signed(r['value'])} {error}" for r, (error, _) in zip(seeds, told, strict=True)
        )
        spent = f"{cost[field]['value'] / 1e6:.2f} M"
        known = told[0][1].replace("-", "−")
        cells.append((field, str(_of(ended)), str(ended["value"]), found, known, spent))
    return _lines(head, cells)


def _spread(rows: Rows) -> str:
    """How z is spread."""
    of = {r["what"].removeprefix("all: "): r["value"] for r in rows if r["what"].startswith("all")}
    return (
        f" mean {_signed(of['z of the converged, mean'])} and standard deviation "
        f"{of['z of the converged, sd']:.2f}, {100 * of['within 1.0 sigma']:.0f} % within 1 σ and "
        f"{100 * of['within 1.96 sigma']:.0f} % within 1.96 σ"
    )


TABLES: dict[str, tuple[str, Callable[[Rows], str]]] = {
    "demo": ("demo", _demo),
    "demo_line": ("demo", _demo_line),
    "converged": ("converged", _converged),
    "traps": ("traps", _traps),
    "configs": ("configs", _configs),
    "implicit": ("implicit", _implicit),
}
"""By the name in the marker: whose rows, and what makes the table of them."""
