"""Features of configurations, from which ``msgen cv`` makes a collective variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import bare
from msgen.orchestrator.schema.cvs import AXIS
from msgen.orchestrator.schema.problems import MISSING, CampaignError, Problem, choose
from msgen.systems.errors import first_line
from msgen.systems.topology.bond_lengths import torn_bonds
from msgen.systems.topology.same_atoms import NAMING, first_difference, named

if TYPE_CHECKING:
    from msgen.models.diffusion_map.map import Scale, Select
    from msgen.orchestrator.schema import Campaign
    from msgen.orchestrator.validate import Checked

Array = NDArray[np.float64]

MOST_ROWS = 200_000
"""Configurations used, evenly taken where there are more."""
_AT_ONCE = 4096
_ORDER = "Give configurations of the campaign's atoms, in their order"


@dataclass(frozen=True)
class Settings:
    """What the command was asked for.

    Attributes
    ----------
    data : Path
        .npy or .npz of configurations, a run directory, or a trajectory.
    output : Path
    campaign : Path, optional
        Its system reads the data, its CVs are the features; of a run directory its own by default.
    overrides : sequence of str
        ``a.b=value`` into that campaign.
    features : sequence of str, optional
        Which of its CVs; all by default. Without a campaign the columns of the data are taken.
    slow : str, optional
        The CV, or the column, that is known to be slow; for the one-to-one check.
    landmarks : int, optional
        By default 1000; for molecules 400 over the number of features, for OpenMM's sake.
    select, scale, epsilon, alpha, components, seed
        See `msgen.models.diffusion_map.map.DiffusionMap.fit`.
    """

    data: Path
    output: Path
    campaign: Path | None = None
    overrides: Sequence[str] = ()
    features: Sequence[str] | None = None
    slow: str | None = None
    landmarks: int | None = None
    select: Select = "farthest"
    scale: Scale = "none"
    epsilon: float | None = None
    alpha: float = 1.0
    components: int = 4
    seed: int = 0


@dataclass(frozen=True)
class FeatureTable:
    """Features of all configurations.

    Attributes
    ----------
    names : tuple of str, length F
    specs : tuple of dict
        The features as CVs of a campaign, internal units.
    periodic : tuple of bool
    values : Array, shape (n, F)
    known : Mapping of str to Array (n,)
        What `slow` may name.
    through_openmm : bool
        Whether OpenMM is to evaluate the variable made of them.
    """

    names: tuple[str, ...]
    specs: tuple[dict[str, Any], ...]
    periodic: tuple[bool, ...]
    values: Array
    known: Mapping[str, Array]
    through_openmm: bool = False


def wrong(what: str, value: object, problem: str, remedy: str) -> CampaignError:
    """A message about one argument of the command."""
    return CampaignError("msgen cv diffusion-map", [Problem((what,), value, problem, remedy)])


def read_features(settings: Settings) -> FeatureTable:
    """The features of all configurations that the command was given.

    Raises
    ------
    CampaignError
        If the data, the campaign or a name cannot be used.
    """
    path = settings.data
    if not path.exists():
        raise wrong("DATA", str(path), "does not exist", "Give an array, a run or a trajectory")
    if settings.campaign is not None:
        from msgen.orchestrator.validate import check, load

        campaign, source = load(settings.campaign, settings.overrides)
        checked = check(campaign, settings.campaign.resolve().parent, source=source)
        x = _configurations(path, checked)
        parts = [checked.cvs(x[i : i + _AT_ONCE]) for i in range(0, len(x), _AT_ONCE)]
        table = _of_campaign(settings, checked.campaign, np.concatenate(parts))
    elif path.is_dir():
        table = _of_run(settings)
    else:
        table = _of_columns(settings)
    if settings.slow is not None and settings.slow not in table.known:
        raise wrong("--slow", settings.slow, "no such variable", choose(settings.slow, table.known))
    if path.is_dir() and settings.scale == "increments":
        remedy = "Take --scale sd, or give a trajectory"
        raise wrong("--scale", "increments", "samples of a run are not in order of time", remedy)
    return table


def _of_columns(settings: Settings) -> FeatureTable:
    """The columns of an array as they are."""
    path = settings.data
    if path.suffix not in (".npy", ".npz"):
        remedy = "Say with --campaign which system it is of"
        raise wrong("DATA", str(path), "needs a campaign to be read", remedy)
    if settings.features is not None:
        remedy = "Give their campaign with --campaign, or leave --features out"
        raise wrong("--features", ",".join(settings.features), "are names of CVs", remedy)
    x = _thinned(_array(path))
    names = tuple(str(k) for k in range(x.shape[1]))
    specs = tuple({"kind": "coordinate", "index": k, "periodic": False} for k in range(len(names)))
    known = dict(zip(names, x.T, strict=True))
    return FeatureTable(names, specs, (False,) * len(names), x, known)


def _of_run(settings: Settings) -> FeatureTable:
    """The CVs that a run stored; those of `explore` are left out."""
    from msgen.orchestrator.run_directory.store import Store
    from msgen.orchestrator.validate import load_campaign

    path = settings.data
    if not (path / "campaign.resolved.yaml").exists() or not (path / "store.zarr").is_dir():
        raise wrong("DATA", str(path), "is no run directory", "Give one that msgen-run made")
    store = Store(path / "store.zarr")
    parts = ((name, *name.split("/")) for name in store.names())
    names = [n for n, kind, what in parts if what == "cvs" and bare(kind) != "explore"]
    if not names:
        raise wrong("DATA", str(path), "holds no samples yet", "Let the campaign run first")
    xi = np.concatenate([np.asarray(store.read(n), dtype=np.float64) for n in names])
    campaign = load_campaign(path / "campaign.resolved.yaml", settings.overrides)
    return _of_campaign(settings, campaign, _thinned(xi[np.isfinite(xi).all(axis=1)]))


def _of_campaign(settings: Settings, campaign: Campaign, xi: Array) -> FeatureTable:
    """The chosen columns of all CVs of a campaign, `xi` (n, C)."""
    from msgen.systems.cvs.build_diffusion_map import FEATURE_KINDS

    specs = campaign.spec_cvs()
    able = [name for name, spec in specs.items() if spec["kind"] in FEATURE_KINDS]
    wanted = tuple(able if settings.features is None else settings.features)
    for name in wanted:
        if name not in able:
            what = f"is a {specs[name]['kind']}" if name in specs else "the campaign has no such CV"
            remedy = f"{choose(name, able)}. A feature is a {', '.join(FEATURE_KINDS)}"
            raise wrong("--features", name, what, remedy)
    if not wanted:
        remedy = f"Add some with --set cvs.NAME=…: {', '.join(FEATURE_KINDS)}"
        raise wrong("--features", MISSING, "no CV of the campaign can be a feature", remedy)
    known = dict(zip(specs, xi.T, strict=True))
    plain = [{k: v for k, v in specs[n].items() if k not in AXIS} for n in wanted]
    return FeatureTable(
        wanted,
        tuple(plain),
        tuple(campaign.cvs[n].is_periodic for n in wanted),
        np.stack([known[n] for n in wanted], axis=1),
        known,
        campaign.through_openmm,
    )


def _thinned(x: Array) -> Array:
    rows = np.linspace(0, len(x) - 1, min(len(x), MOST_ROWS)).astype(int)
    return np.asarray(x[rows])


def _array(path: Path) -> Array:
    """Rows of coordinates in an .npy or .npz file, shape (n, D)."""
    remedy = "Give an array of shape (n, D), in an .npz as `positions`"
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                name = "positions" if "positions" in found else next(iter(found))
                found = found[name]
        x = np.asarray(found, dtype=np.float64)
    except (OSError, EOFError, ValueError, TypeError, StopIteration, BadZipFile) as error:
        raise wrong("DATA", str(path), f"cannot be read ({error})", remedy) from error
    x = x.reshape(len(x), -1) if x.ndim > 1 else x.reshape(-1, 1)
    if not len(x) or not np.isfinite(x).all():
        raise wrong("DATA", str(path), "holds nothing, or values that are not finite", remedy)
    return x


def _configurations(path: Path, checked: Checked) -> Array:
    """Flat configurations of the campaign's system, shape (n, D); nm for molecules."""
    if path.is_dir():
        from msgen.orchestrator.run_directory.store import Store

        names = [n for n in Store(path / "store.zarr").names() if n.endswith("/positions")]
        if not names:
            remedy = "Run it with output.trajectory: dcd, or leave --campaign out to use its CVs"
            raise wrong("DATA", str(path), "holds no configurations", remedy)
        x = np.concatenate([Store(path / "store.zarr").read(n) for n in names])
    elif path.suffix in (".npy", ".npz"):
        x = _array(path)
    else:
        x = _trajectory(path, checked)
    if x.shape[1] != checked.system.n_dof:
        problem = f"has {x.shape[1]} coordinates a row, the system has {checked.system.n_dof}"
        raise wrong("DATA", str(path), problem, "Give the campaign of the same system")
    if (torn := torn_bonds(checked.system, x[:_AT_ONCE])) is not None:
        raise wrong("DATA", str(path), torn, _ORDER)
    return _thinned(np.asarray(x, dtype=np.float64))


def _trajectory(path: Path, checked: Checked) -> Array:
    topology = checked.system.topology
    if topology is None:
        raise wrong("DATA", str(path), "is no array", "Give .npy or .npz for this system")
    import mdtraj  # a second to import, needed here only

    try:
        given = {} if path.name.lower().endswith(NAMING) else {"top": topology}
        frames = mdtraj.load(str(path), **given)
        if frames.unitcell_lengths is not None and frames.topology.n_bonds:
            frames.make_molecules_whole(inplace=True)
    except Exception as error:  # its readers raise anything
        text = first_line(error)
        raise wrong("DATA", str(path), f"cannot be read ({text})", _ORDER) from error
    x = np.asarray(frames.xyz, dtype=np.float64).reshape(len(frames), -1)
    if frames.n_atoms != topology.n_atoms:
        what = f"has {frames.n_atoms} atoms where the system has {topology.n_atoms}"
        raise wrong("DATA", str(path), what, _ORDER)
    found = first_difference(named(topology), named(frames.topology))
    if found is not None:
        what = f"has other atoms, or in another order: {found[1]}"
        raise wrong("DATA", str(path), what, _ORDER)
    return x
