"""``msgen dynamics``: what trajectories tell of dynamics, from a run or from files."""
