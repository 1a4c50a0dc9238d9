"""A CV known by its values at landmarks: the out-of-sample extension of a diffusion map.

.. math:: \\Phi(x) = \\frac{1}{\\mu} \\sum_j p_j(x) \\varphi_j, \\qquad
          p_j(x) = \\frac{w_j e^{-d_j(x)^2/4\\epsilon}}{\\sum_i w_i e^{-d_i(x)^2/4\\epsilon}}

(Nyström; R. R. Coifman and S. Lafon, Appl. Comput. Harmon. Anal. 21, 5 and 31 (2006)). d_j is the
distance to landmark j in scaled features, where an angle counts by its cosine and sine. The
eigenvector φ of the normalised kernel, its eigenvalue μ and the weights w_j = q_j^−α come from
`msgen.models.diffusion_map.map`. At a landmark Φ is φ_j. Far from all of them the p_j, a softmax,
single out the nearest landmark: Φ tends to its φ_j/μ and ∂Φ/∂x to zero, never to 0/0.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msgen.systems.base import CV, Array

SCHEMA_VERSION = 1
_MOST_WEIGHTS = 2**23
"""Weights p_j held at a time: 64 MiB."""
_ARRAYS = ("landmarks", "scales", "log_weights", "eigenvalues", "values")


@dataclass(frozen=True)
class LandmarkFile:
    """What an .npz file of landmarks holds: all diffusion coordinates of one data set.

    Attributes
    ----------
    features : tuple of Mapping
        The F features as CVs of a campaign, internal units.
    landmarks : Array, shape (m, F)
        Features at the landmarks.
    scales : Array, shape (F,)
        What each feature is multiplied by in distances.
    epsilon : float
        Of the kernel exp(−d²/4ε).
    log_weights : Array, shape (m,)
        ln w_j.
    eigenvalues : Array, shape (c,)
        μ of every component, descending, without the trivial 1.
    values : Array, shape (m, c)
        φ_j of every component.
    about : Mapping
        How it was made; JSON-able.
    """

    features: tuple[Mapping[str, Any], ...]
    landmarks: Array
    scales: Array
    epsilon: float
    log_weights: Array
    eigenvalues: Array
    values: Array
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        m, f = self.landmarks.shape
        shapes = ((m, f), (f,), (m,), self.eigenvalues.shape, (m, len(self.eigenvalues)))
        for name, shape in zip(_ARRAYS, shapes, strict=True):
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"its {name} are not finite or not of shape {shape}")
        if len(self.features) != f or not self.epsilon > 0 or not (self.eigenvalues > 0).all():
            raise ValueError("its features, epsilon or eigenvalues do not fit")

    def save(self, path: Path) -> None:
        """Write the file, aside first and then renamed."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                schema_version=np.array(SCHEMA_VERSION),
                features=np.array(json.dumps([dict(f) for f in self.features])),
                about=np.array(json.dumps(dict(self.about))),
                epsilon=np.array(self.epsilon),
                **{name: getattr(self, name) for name in _ARRAYS},
            )
        os.replace(part, path)

    @classmethod
    def load(cls, path: Path) -> LandmarkFile:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If it is not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                version = int(file["schema_version"])
                if version == SCHEMA_VERSION:
                    arrays = {n: np.asarray(file[n], dtype=np.float64) for n in _ARRAYS}
                    features = tuple(json.loads(str(file["features"])))
                    about = json.loads(str(file["about"]))
                    epsilon = float(file["epsilon"])
        except (KeyError, OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError("holds no landmarks") from error
        if version != SCHEMA_VERSION:
            raise ValueError(f"has layout {version}, this msgen reads {SCHEMA_VERSION}")
        return cls(features, epsilon=epsilon, about=about, **arrays)


@dataclass(frozen=True, eq=False)
class LandmarkCV:
    """One diffusion coordinate Φ(x).

    Attributes
    ----------
    features : tuple of CV
    landmarks, scales, epsilon, log_weights
        As of `LandmarkFile`.
    eigenvalue : float
        μ of the component.
    values : Array, shape (m,)
        φ_j of the component.
    """

    name: str
    features: tuple[CV, ...]
    landmarks: Array
    scales: Array
    epsilon: float
    log_weights: Array
    eigenvalue: float
    values: Array
    periodic: bool = field(default=False, init=False)
    unit: str = field(default="1", init=False)

    @cached_property
    def _centre(self) -> torch.Tensor:
        centre = self.landmarks.mean(axis=0)
        turns = np.array([cv.periodic for cv in self.features])
        return torch.as_tensor(np.where(turns, 0.0, centre))

    @cached_property
    def _points(self) -> torch.Tensor:
        return self._columns(torch.as_tensor(self.landmarks))

    @cached_property
    def _linear(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        # |y|² is common to all landmarks: what is left of −d²/4ε is linear in y
        points = self._points
        offset = torch.as_tensor(self.log_weights) - (points**2).sum(1) / (4 * self.epsilon)
        return points.T / (2 * self.epsilon), offset, torch.as_tensor(self.values / self.eigenvalue)

    def _columns(self, u: torch.Tensor) -> torch.Tensor:
        columns = []
        for k, (cv, s) in enumerate(zip(self.features, self.scales.tolist(), strict=True)):
            if cv.periodic:
                columns += [s * torch.cos(u[:, k]), s * torch.sin(u[:, k])]
            else:
                columns.append(s * (u[:, k] - self._centre[k]))
        return torch.stack(columns, dim=-1)

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        return self._columns(torch.stack([cv(x) for cv in self.features], dim=-1))

    def _in_parts(
        self, y: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        size = max(1, _MOST_WEIGHTS // len(self.values))
        if len(y) <= size:
            return function(y)
        return torch.cat([function(part) for part in torch.split(y, size)])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Φ(x), shape (n,)."""
        slope, offset, values = self._linear
        return self._in_parts(
            self._features(x), lambda y: torch.softmax(y @ slope + offset, dim=1) @ values
        )

    def distance(self, x: torch.Tensor) -> torch.Tensor:
        """Distance to the nearest landmark in kernel widths √(2ε), shape (n,).

        Beyond a few Φ is an extrapolation, and soon constant.
        """

        def nearest(y: torch.Tensor) -> torch.Tensor:
            least: torch.Tensor = torch.cdist(y, self._points).amin(dim=1)
            return least / float(np.sqrt(2 * self.epsilon))

        return self._in_parts(self._features(x), nearest)
