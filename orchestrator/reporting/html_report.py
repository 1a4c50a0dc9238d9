"""A run directory told to a person: `status` in a few lines, `write_report` as one HTML page.

Neither needs ray, and the run may be alive: both go by what it has committed.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgen.orchestrator.base import ProfileEstimate
from msgen.orchestrator.reporting.diagnostic_words import named
from msgen.orchestrator.reporting.export import export
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.reporting.html_tables import bullets, leaves, table
from msgen.orchestrator.reporting.plot_history import history_figure
from msgen.orchestrator.reporting.plots import drawable, png, surface_figure
from msgen.orchestrator.reporting.progress import (
    REFERENCE,
    UNKNOWN,
    log_z,
    overhead,
    state_values,
)
from msgen.orchestrator.reporting.remedies import with_remedy
from msgen.orchestrator.reporting.report_style import HEAD, STYLE
from msgen.orchestrator.reporting.results import Result, committed_result
from msgen.orchestrator.reporting.status import is_alive, status, warnings_of
from msgen.orchestrator.reporting.words import duration
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError, write_atomic
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.validate import RESOLVED, load_campaign

__all__ = ["export", "is_alive", "status", "write_report"]


def write_report(run_dir: Path, target_kT: float | None = None) -> Path:
    """Write ``results/report.html``, one file with all in it, and its figures as PNG beside it.

    Parameters
    ----------
    run_dir : Path
    target_kT : float, optional
        ``converge.state_error``; by default what the run's resolved campaign says.

    Raises
    ------
    CampaignError
        If no round has been committed yet, or another version of msgen wrote the result.
    """
    run_dir = Path(run_dir)
    result = committed_result(run_dir)
    history = read_history(run_dir)
    if target_kT is None and (run_dir / RESOLVED).is_file():
        target_kT = load_campaign(run_dir / RESOLVED).converge.state_error
    figures: dict[str, bytes] = {}
    if drawable(result.estimate):
        figures["free_energy.png"] = png(surface_figure(result))
    if history:
        figures["convergence.png"] = png(history_figure(history, target_kT))
    for name, content in figures.items():
        write_atomic(run_dir / "results" / name, content)
    page = run_dir / "results" / "report.html"
    write_atomic(page, _page(run_dir, result, figures))
    return page


def _about_profile(told: ProfileEstimate) -> str:
    """What the points in the figure are."""
    return (
        "Line: by counting; states sampled apart are joined by the works of paths. Points: from "
        f"the work at intermediate λ of {told.paths:,} paths run both ways, without counting."
    )


def states_table(result: Result) -> str:
    """ΔF ± error of every state, in kT and, where the system has a temperature, in kJ/mol."""
    kT = result.header.kT_kJ_per_mol
    columns = ["state", "ΔF / kT", "± / kT"]
    columns += [] if kT is None else ["ΔF / kJ/mol", "± / kJ/mol"]
    values = state_values(result.estimate.states)
    rows = []
    for name, state in result.estimate.states.items():
        cells = [name]
        if values[name] in (REFERENCE, UNKNOWN):
            rows.append([name, values[name]])
            continue
        for scale in (1.0,) if kT is None else (1.0, kT):
            cells += [
                "not known" if v is None else f"{scale * v:.3f}"
                for v in (state.f_kT, state.stderr_kT)
            ]
        rows.append(cells)
    return table(rows, columns)


def figure_html(title: str, content: bytes) -> str:
    """A PNG inside the page."""
    code = base64.b64encode(content).decode()
    return f'<img alt="{title}" src="data:image/png;base64,{code}">'


def _page(run_dir: Path, result: Result, figures: Mapping[str, bytes]) -> str:
    title = html.escape(result.header.campaign)
    head = f'<!doctype html><html lang="en"><head>{HEAD}<title>{title}</title>'
    word = f'<strong class="{result.status}">{result.status}</strong>'
    parts = [
        f"{head}<style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1><p>{word} — {html.escape(result.reason)}</p>",
        *_told(run_dir, result),
        *_volume(run_dir, result),
        *_drawn(result, figures),
        *_dynamics(run_dir / "results"),
        *_paths(run_dir / "results"),
        *_spent(result),
        *_about(run_dir, result),
    ]
    return "\n".join([*parts, "</body></html>", ""])


def _told(run_dir: Path, result: Result) -> Iterator[str]:
    """Warnings, free energies and what is unmet."""
    estimate = result.estimate
    warnings = warnings_of(result, EventLog(run_dir / "events.jsonl").read())
    if warnings:
        yield f'<div class="warn"><strong>Warnings</strong>{bullets(warnings)}</div>'
    yield "<h2>Free energies of the states</h2>" + states_table(result)
    yield "<p>F = −ln P(state), ΔF to the first state; errors are one standard error.</p>"
    if estimate.ungrounded:
        yield f"<p>No error is known:</p>{bullets(estimate.ungrounded)}"
    partition_function = log_z(estimate)
    if partition_function:
        yield f"<p>ln Z = {html.escape(partition_function)}, all coordinates included.</p>"
    choice = estimate.diagnostics.get("choice", {}).get("said")
    if choice:
        yield f"<p>{html.escape(str(choice))}.</p>"
    probes = estimate.diagnostics.get("probes", {}).get("said")
    if probes:
        yield f"<p>{html.escape(str(probes))}.</p>"
    if estimate.unmet:
        yield f"<h2>Criteria not met</h2>{bullets(map(with_remedy, estimate.unmet))}"


def _volume(run_dir: Path, result: Result) -> Iterator[str]:
    """Of a run at constant pressure, from its stored frames."""
    if not (run_dir / RESOLVED).is_file():
        return
    campaign = load_campaign(run_dir / RESOLVED)
    if getattr(campaign.system, "pressure", None) is None:
        return
    # brings all strategies
    from msgen.orchestrator.reporting.stored_samples import stored_samples
    from msgen.orchestrator.reporting.volume import mean_volume

    samples = stored_samples(run_dir, result, campaign)
    told = None if samples is None else mean_volume(samples)
    if told is None:
        yield "<p>Volume: no frames that count are stored (output: {trajectory: dcd}).</p>"
    else:
        yield f"<p>{html.escape(told.in_words())}.</p>"


def _drawn(result: Result, figures: Mapping[str, bytes]) -> Iterator[str]:
    titles = {"free_energy.png": "Free-energy surface", "convergence.png": "Convergence"}
    for name, content in figures.items():
        yield f"<h2>{titles[name]}</h2>{figure_html(titles[name], content)}"
        if name == "free_energy.png" and result.estimate.profile is not None:
            yield f"<p>{html.escape(_about_profile(result.estimate.profile))}</p>"


def _dynamics(folder: Path) -> Iterator[str]:
    """What `msgen dynamics` told of the run, if it was asked."""
    from msgen.orchestrator.reporting import dynamics_result, dynamics_words  # few runs have it

    if not (folder / dynamics_result.DYNAMICS).is_file():
        return
    yield "<h2>Dynamics</h2>"
    try:
        told = dynamics_result.read_dynamics(folder)
    except RunDirectoryError as error:
        yield f"<p>{html.escape(str(error))}</p>"
        return
    head, rows = dynamics_words.dynamics_table(told)
    yield table(rows, head) + bullets(dynamics_words.dynamics_notes(told))
    for name, title in (
        (dynamics_result.FIGURE, "Dynamics"),
        (dynamics_result.MADE_FIGURE, "Trajectories that were asked for"),
    ):
        if (folder / name).is_file():
            yield figure_html(title, (folder / name).read_bytes())


def _paths(folder: Path) -> Iterator[str]:
    """What transition paths told, if some were sampled."""
    from msgen.orchestrator.reporting import paths_result  # few runs have it

    if not (folder / paths_result.PATHS).is_file():
        return
    yield "<h2>Transition paths</h2>"
    try:
        told = paths_result.read_paths(folder)
    except RunDirectoryError as error:
        yield f"<p>{html.escape(str(error))}</p>"
        return
    yield table(paths_result.path_rows(told)) + bullets(list(told.notes))
    for one in told.committor:
        yield table(paths_result.committor_rows(one), (one.cv, f"committor to {told.end}"))


def _spent(result: Result) -> Iterator[str]:
    """Diagnostics and cost."""
    cost = result.cost
    told, rest = named(result.estimate.diagnostics)
    yield "<h2>Diagnostics</h2>"
    if told:
        rows = [(one.name, one.value, one.means) for one in told]
        yield table(rows, ("", "", "what it is"), last="m", room="wide told")
    if rest:
        yield '<details class="closed"><summary>more numbers, by their keys</summary>'
        yield f"{table(rest.items(), last='v')}</details>"
    spent = [
        ("rounds", str(cost.rounds)),
        ("energy evaluations", f"{cost.energy_evaluations:,}"),
        ("of these, probes", f"{cost.probe_evaluations:,}"),
        ("wall time", duration(cost.wall_s)),
        ("sampling (worker time)", duration(cost.sampling_s)),
        ("training (worker time)", duration(cost.training_s)),
        ("loop", f"{duration(cost.overhead_s)}, {overhead(cost)}"),
    ]
    yield "<h2>Cost</h2>" + table(spent)


def _about(run_dir: Path, result: Result) -> Iterator[str]:
    """What was simulated, provenance and the campaign itself."""
    header = result.header
    about: list[tuple[str, str]] = []
    if header.temperature_K is not None:
        about.append(("temperature", f"{header.temperature_K:g} K"))
    if header.kT_kJ_per_mol is not None:
        about.append(("kT", f"{header.kT_kJ_per_mol:.4f} kJ/mol"))
    provenance = run_dir / "provenance.json"
    if provenance.is_file():
        known = json.loads(provenance.read_text(encoding="utf-8"))
        simulated = known.pop("simulated", None)
        if simulated is not None:
            yield "<h2>What was simulated</h2>" + table(leaves(simulated), last="v")
        about += leaves(known)
    yield "<h2>Provenance</h2>" + table(about, last="v")
    resolved = run_dir / RESOLVED
    if resolved.is_file():
        text = html.escape(resolved.read_text(encoding="utf-8"))
        yield f"<h2>Campaign</h2><details><summary>all values</summary><pre>{text}</pre>"
        yield "</details>"
