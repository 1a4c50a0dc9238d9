"""The roles that do the work: samplers, steerers and the trainer."""
