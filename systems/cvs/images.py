"""The nearest periodic image of a vector between two points, as OpenMM takes it."""

from __future__ import annotations

import torch

from msgen.systems.base import Array


def nearest(d: torch.Tensor, box: Array | None) -> torch.Tensor:
    """The vectors `d` with whole vectors of the box taken off, from c to a.

    OpenMM's rule (`ReferenceForce::getDeltaRPeriodic`): the image is the nearest wherever that is
    within half of the box's least width, and in a rectangular box everywhere.

    Parameters
    ----------
    d : Tensor, shape (…, 3)
        nm.
    box : Array, shape (3, 3), or None
        Rows a, b, c in OpenMM's reduced form; None takes `d` as it is.
    """
    if box is None:
        return d
    for k in (2, 1, 0):
        vector = torch.as_tensor(box[k], dtype=d.dtype)
        d = d - torch.floor(d[..., k : k + 1].detach() / vector[k] + 0.5) * vector
    return d
