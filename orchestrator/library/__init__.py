"""What `import msgen` gives: running a campaign from Python, and its result as arrays."""
