"""The commands of ``msgen``, each with its options and what it calls."""
