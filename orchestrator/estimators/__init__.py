"""Free-energy estimators, their errors and what says whether to trust them."""
