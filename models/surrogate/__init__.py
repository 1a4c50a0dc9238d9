"""Cheap energies learnt from dear ones: of a committee, which tells where it is not sure."""
