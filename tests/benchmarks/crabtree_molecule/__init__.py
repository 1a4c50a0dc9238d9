"""Alanine dipeptide after Crabtree et al.: what the model generates, and windows it starts."""
