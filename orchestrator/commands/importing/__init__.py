"""``msgen import``: samples of other programs, joined and judged by our estimators."""
