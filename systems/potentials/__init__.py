"""Systems given by a formula, or by a user's function."""
