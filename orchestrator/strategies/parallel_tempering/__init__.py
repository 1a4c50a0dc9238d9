"""Replica exchange over temperatures, a baseline."""
