"""Windows along the CVs, joined by MBAR."""
