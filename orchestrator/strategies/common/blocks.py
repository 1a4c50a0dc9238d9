"""Which replicas count as one independent block, for errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_BLOCKS = 256
"""Of a stratum: errors are as good from so many independent blocks as from more, and a block weighs
8 bytes a bin in every checkpoint."""


def blocks_of(
    stratum: NDArray[np.int64],
    known: NDArray[np.int64],
    ancestor: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Block of every replica, shape (R,); those of the first ones are `known` and stay.

    A new replica is a block of its own until its stratum has `MOST_BLOCKS`; then they go round. A
    copy is of its ancestor's block.
    """
    first = list(range(len(stratum))) if ancestor is None else ancestor.tolist()
    block, number = known.tolist(), int(known.max(initial=-1)) + 1
    mine: dict[int, list[int]] = {}
    members: dict[int, int] = {}
    for i, k in enumerate(stratum.tolist()):
        held = mine.setdefault(k, [])
        if i < len(known):
            if len(held) < MOST_BLOCKS and block[i] not in held:
                held.append(block[i])
        elif first[i] != i:
            block.append(block[first[i]])
        elif len(held) < MOST_BLOCKS:
            held.append(number)
            block.append(number)
            number += 1
        else:
            block.append(held[members[k] % MOST_BLOCKS])
        members[k] = members.get(k, 0) + 1
    return np.array(block, dtype=np.int64)
