"""A result as an xarray Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray

    from msgen.orchestrator.library.result import Result


def dataset(result: Result) -> xarray.Dataset:
    """See `msgen.Result.to_xarray`."""
    try:
        import xarray
    except ModuleNotFoundError as error:
        if error.name != "xarray":
            raise
        raise ModuleNotFoundError(
            "to_xarray needs xarray: pip install 'msgen[xarray]'", name="xarray"
        ) from None
    surface, states = result.surface, result.free_energies
    names = tuple(cv.name for cv in result.cvs)
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
    return xarray.Dataset(
        {
            "f_kT": (names, surface.f_kT, in_kT),
            "stderr_kT": (names, surface.stderr_kT, in_kT),
            **{
                name: ("state", np.array(values, dtype=np.float64), in_kT)
                for name, values in numbers.items()
            },
        },
        coords={
            **{cv.name: (cv.name, surface.axes[cv.name], {"units": cv.unit}) for cv in result.cvs},
            "state": list(states),
        },
        # netCDF has no None
        attrs={name: value for name, value in about.items() if value is not None},
    )
