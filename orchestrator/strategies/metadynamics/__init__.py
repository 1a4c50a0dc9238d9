"""Well-tempered metadynamics, a baseline."""
