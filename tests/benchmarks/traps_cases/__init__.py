"""Campaigns that are easily wrong without noticing, each with its exact answer; a family a file."""
