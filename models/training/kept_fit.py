"""A long fit that was cut off goes on where it stood, to the same weights bit for bit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.training.descent import Descent

Weights = dict[str, Tensor]


@dataclass
class Progress:
    """Where a fit stands between two epochs.

    Attributes
    ----------
    best : dict of str to Tensor
        Weights that were best on held-out data.
    best_loss : float
    best_epoch, epoch : int
    history : list of (float, float)
    """

    best: Weights
    best_loss: float
    best_epoch: int = 0
    epoch: int = 0
    history: list[tuple[float, float]] = field(default_factory=list)


class KeptFit:
    """The file of one fit: written after every epoch as a whole, read where it is there.

    What is kept is of the fit that wrote it; that the next one is of the same data and settings is
    for the caller to see to.

    Parameters
    ----------
    path : Path
        Of an .npz file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(
        self, progress: Progress, net: nn.Module, descent: Descent, generator: torch.Generator
    ) -> None:
        """Write where the fit stands."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "net": net.state_dict(),
            "best": progress.best,
            "descent": descent.state(),
        }
        arrays = {f"{p}.{k}": v.cpu().numpy() for p, part in parts.items() for k, v in part.items()}
        arrays["generator"] = generator.get_state().numpy()
        arrays["history"] = np.array(progress.history, dtype=np.float64).reshape(-1, 2)
        arrays["counts"] = np.array([progress.epoch, progress.best_epoch])
        arrays["best_loss"] = np.array(progress.best_loss)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part.npz")
        with aside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, self.path)

    def restore(
        self, net: nn.Module, descent: Descent, generator: torch.Generator
    ) -> Progress | None:
        """Put all of them back to where the fit stood; None where none was kept."""
        if not self.path.is_file():
            return None
        with np.load(self.path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}

        def part(name: str) -> Weights:
            start = f"{name}."
            return {
                key[len(start) :]: torch.tensor(value).to(descent.device)
                for key, value in arrays.items()
                if key.startswith(start)
            }

        net.load_state_dict(part("net"))
        descent.restore(part("descent"))
        generator.set_state(torch.tensor(arrays["generator"]))
        epoch, best_epoch = (int(n) for n in arrays["counts"])
        history = [(float(a), float(b)) for a, b in arrays["history"]]
        best_loss = float(arrays["best_loss"])
        return Progress(part("best"), best_loss, best_epoch, epoch, history)
