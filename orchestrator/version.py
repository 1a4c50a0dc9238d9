"""The version: said here, read by the packaging, the command line and every run's provenance."""

__version__ = "0.1.0"
