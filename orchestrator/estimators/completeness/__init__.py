"""Whether everything was found: regions that samples cover, and what nobody has seen."""
