"""Campaigns: schema, controller, strategies, executors, estimators, store, monitor, CLI."""
