"""Every kind of strategy: ours, each a folder beside this file, and those of plug-ins."""

from __future__ import annotations

from msgen.orchestrator.strategies.auto import KIND as AUTO
from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.delayed_acceptance import KIND as DELAYED_ACCEPTANCE
from msgen.orchestrator.strategies.dynamics import KIND as DYNAMICS
from msgen.orchestrator.strategies.flow_mcmc import KIND as FLOW_MCMC
from msgen.orchestrator.strategies.importance import KIND as IMPORTANCE
from msgen.orchestrator.strategies.local import KIND as LOCAL
from msgen.orchestrator.strategies.metadynamics import KIND as METADYNAMICS
from msgen.orchestrator.strategies.parallel_tempering import KIND as PARALLEL_TEMPERING
from msgen.orchestrator.strategies.steered import KIND as STEERED
from msgen.orchestrator.strategies.targeted import KIND as TARGETED
from msgen.orchestrator.strategies.transition_paths import KIND as TRANSITION_PATHS
from msgen.orchestrator.strategies.umbrella import KIND as UMBRELLA
from msgen.systems.plugins import Registry

GROUP = "msgen.strategies"
"""Entry points of strategies outside this repository; each is a `StrategyKind`."""

# in the order in which messages list them
_OWN = (
    AUTO,
    STEERED,
    FLOW_MCMC,
    IMPORTANCE,
    TARGETED,
    UMBRELLA,
    PARALLEL_TEMPERING,
    METADYNAMICS,
    LOCAL,
    DELAYED_ACCEPTANCE,
    DYNAMICS,
    TRANSITION_PATHS,
)

KINDS: Registry[StrategyKind] = Registry(GROUP, StrategyKind, {kind.name: kind for kind in _OWN})
"""Strategies by the ``kind:`` of their section."""
