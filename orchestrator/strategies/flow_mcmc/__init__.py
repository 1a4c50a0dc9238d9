"""Local moves, and independence moves of a model of the whole configuration."""
