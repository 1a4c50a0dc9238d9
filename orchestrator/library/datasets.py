"""A result as an xarray Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray

    from msgen.orchestrator.library.result import Result


INDEPENDENT = "samples of one replica follow each other; replicas are independent"


def dataset(result: Result, samples: bool) -> xarray.Dataset:
    """See `msgen.Result.to_xarray`."""
    try:
        import xarray
    except ModuleNotFoundError as error:
        if error.name != "xarray":
            raise
        raise ModuleNotFoundError(
            "to_xarray needs xarray: pip install 'msgen[xarray]'", name="xarray"
        ) from None
    surfaces, states = result.surfaces, result.free_energies
    units = {cv.name: cv.unit for cv in result.cvs}
    in_kT = {"units": "kT"}
    numbers = {
        "state_f_kT": [s.f_kT for s in states.values()],
        "state_stderr_kT": [s.stderr_kT for s in states.values()],
    }
    about = {
        "campaign": result.campaign,
        "status": result.status,
        "reason": result.reason,
        "temperature_K": result.temperature_K,
        "kT_kJ_per_mol": result.kT_kJ_per_mol,
    }
    made = xarray.Dataset(
        {
            **{
                f"{name}_{'-'.join(s.axes)}" if len(surfaces) > 1 else name: (
                    tuple(s.axes),
                    getattr(s, name),
                    in_kT,
                )
                for s in surfaces
                for name in ("f_kT", "stderr_kT")
            },
            **{
                name: ("state", np.array(values, dtype=np.float64), in_kT)
                for name, values in numbers.items()
            },
        },
        coords={
            **{
                cv: (cv, centres, {"units": units[cv]})
                for s in surfaces
                for cv, centres in s.axes.items()
            },
            "state": list(states),
        },
        # netCDF has no None
        attrs={name: value for name, value in about.items() if value is not None},
    )
    if not samples:
        return made
    drawn = result.samples()
    columns = [cv.name for cv in result.sampled]
    return made.assign(
        sample_cvs=(("sample", "cv"), drawn.cvs),
        weight=("sample", drawn.weight, {"about": f"sum to 1; {INDEPENDENT}"}),
        replica=("sample", drawn.replica),
        round=("sample", drawn.round),
    ).assign_coords(cv=columns, cv_unit=("cv", [cv.unit for cv in result.sampled]))
