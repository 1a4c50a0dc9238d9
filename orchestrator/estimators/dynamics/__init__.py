"""What trajectories tell of dynamics, whoever made them: a simulator, a campaign or a model."""
