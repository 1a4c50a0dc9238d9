"""What a topology tells: atoms by name, stereocentres, bonds free to turn."""
