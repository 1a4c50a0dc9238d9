"""``msgen cv diffusion-map``: a collective variable from configurations, and what to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from msgen.orchestrator.commands.cv_features import FeatureTable, Settings, read_features, wrong

if TYPE_CHECKING:
    from msgen.models.diffusion_map.map import DiffusionMap

_LANDMARKS = 1000


def make_diffusion_map(settings: Settings) -> str:
    """Fit the map, write the file, and say in words what came out.

    Raises
    ------
    CampaignError
        If the data, the campaign or an argument cannot be used.
    """
    from msgen.models.diffusion_map.map import DiffusionMap
    from msgen.systems.cvs.build_diffusion_map import MOST_TERMS
    from msgen.systems.cvs.diffusion_map import LandmarkFile

    if not settings.output.absolute().parent.is_dir():
        raise wrong("--output", str(settings.output), "its folder does not exist", "Make it first")
    table = read_features(settings)
    m = settings.landmarks or (
        MOST_TERMS // len(table.names) if table.through_openmm else _LANDMARKS
    )
    try:
        fit = DiffusionMap.fit(
            table.values,
            seed=settings.seed,
            periodic=table.periodic,
            n_landmarks=m,
            select=settings.select,
            scale=settings.scale,
            epsilon="bgh" if settings.epsilon is None else settings.epsilon,
            alpha=settings.alpha,
            n_components=settings.components,
        )
    except ValueError as error:
        raise wrong("DATA", str(settings.data), str(error), "Change the data or the options") from (
            error
        )
    about = {
        "data": settings.data.name,
        "rows": len(table.values),
        "features": list(table.names),
        **{k: getattr(settings, k) for k in ("select", "scale", "alpha", "seed")},
    }
    LandmarkFile(
        table.specs,
        fit.landmarks,
        fit.scales,
        fit.epsilon,
        fit.log_weights,
        fit.eigenvalues,
        fit.values,
        about,
    ).save(settings.output)
    return _told(settings, table, fit)


def _told(settings: Settings, table: FeatureTable, fit: DiffusionMap) -> str:
    from msgen.models.diffusion_map.checks import doubts, independence, spearman

    phi = fit.transform(table.values)
    width = np.sqrt(2 * fit.epsilon)
    lines = [
        f"{len(table.values)} configurations, features {', '.join(table.names)}",
        f"{len(fit.index)} landmarks, epsilon {fit.epsilon:.4g} (kernel width {width:.3g})",
        "coordinate  eigenvalue  new direction  range"
        + ("" if settings.slow is None else f"  |Spearman ρ| with {settings.slow}"),
    ]
    rho = None
    if settings.slow is not None:
        slow = table.known[settings.slow]
        rho = [spearman(phi[:, k], slow) for k in range(phi.shape[1])]
    for k, r in enumerate(independence(fit.values)):
        low, high = phi[:, k].min(), phi[:, k].max()
        lines.append(
            f"{k + 1:<10}  {fit.eigenvalues[k]:<10.6f}  {r:<13.2f}  {low:.3f} … {high:.3f}"
            + ("" if rho is None else f"  {rho[k]:.4f}")
        )
    said = doubts(fit, 1, None if rho is None else rho[0])
    lines += [f"warning: {text}" for text in said]
    low, high = phi[:, 0].min(), phi[:, 0].max()
    margin = 0.01 * (high - low)
    low, high = np.floor(100 * (low - margin)) / 100, np.ceil(100 * (high + margin)) / 100
    spec = f"kind: diffusion_map, file: {settings.output.name}, range: [{low:g}, {high:g}]"
    lines += [f"wrote {settings.output}; as a CV:", f"  phi1: {{{spec}}}"]
    return "\n".join(lines)
