"""Whether a campaign has converged, and what is missing if not."""
