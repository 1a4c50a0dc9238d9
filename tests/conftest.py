"""One thread a process: two workers on two cores are quickest so, and the last bits do not vary."""

from __future__ import annotations

import os

# before numpy and torch are imported, and for every process that a test starts
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENMM_CPU_THREADS"):
    os.environ.setdefault(_name, "1")
