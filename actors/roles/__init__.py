"""One role a kind of work order."""
