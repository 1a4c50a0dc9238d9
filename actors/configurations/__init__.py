"""The configurations that a model of the whole system sees, proposes and is judged on."""
