"""``msgen doctor``: whether a machine has what campaigns need, before one is begun."""
