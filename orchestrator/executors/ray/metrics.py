"""What a Prometheus scrape of the cluster sees of a campaign, all under ``ray_msgen_``.

Ray exports what its actors count where ``ray[default]`` is installed on the node.
"""

from __future__ import annotations

from typing import Any

from ray.util.metrics import Counter, Gauge

from msgen.orchestrator.base import Reporter, RoundInfo, Segment, Status

_KIND = ("kind",)


class Meters:
    """Counters and gauges of one campaign.

    Parameters
    ----------
    campaign : str
        Label of all of them.
    """

    def __init__(self, campaign: str = "") -> None:
        def counter(name: str, text: str, *more: str) -> Any:
            return Counter(f"msgen_{name}", text, ("campaign", *more))

        def gauge(name: str, text: str, *more: str) -> Any:
            return Gauge(f"msgen_{name}", text, ("campaign", *more))

        self.segments = counter("segments", "Orders that came back", *_KIND)
        self.evaluations = counter("energy_evaluations", "Energy evaluations that came back")
        self.failures = counter("failures", "Orders that were lost or failed", *_KIND)
        self.again = counter("spares", "Late orders given to an idle worker as well")
        self.queue = gauge("queue", "Orders that wait for a worker")
        self.flying = gauge("flying", "Orders at the workers")
        self.workers = gauge("workers", "Workers that there are")
        self.round = gauge("round", "Rounds committed")
        self.replicas = gauge("replicas", "Replicas that sampled in the last round")
        self.version = gauge("model_version", "Newest model that proposed; -1: none")
        self.acceptance = gauge("acceptance", "Accepted share of the moves", "move")
        for meter in vars(self).values():
            meter.set_default_tags({"campaign": campaign})

    def back(self, segment: Segment) -> None:
        """An order came back."""
        self.segments.inc(1, {"kind": segment.key[1]})
        if segment.evaluations > 0:
            self.evaluations.inc(segment.evaluations)


class Metered:
    """A `Reporter` that sets the gauges, and tells another.

    Parameters
    ----------
    reporter : Reporter
    meters : Meters
    """

    def __init__(self, reporter: Reporter, meters: Meters) -> None:
        self._reporter, self._meters = reporter, meters

    def round(self, info: RoundInfo) -> None:
        """A round was committed."""
        meters = self._meters
        meters.round.set(info.round + 1)
        meters.replicas.set(info.replicas)
        meters.version.set(info.model_version)
        for move, share in (info.estimate.diagnostics.get("acceptance") or {}).items():
            if share is not None:
                meters.acceptance.set(float(share), {"move": move})
        self._reporter.round(info)

    def close(self, status: Status, reason: str) -> None:
        """The campaign is over."""
        self._reporter.close(status, reason)
