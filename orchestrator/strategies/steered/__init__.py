"""Local sampling inside the states, switching paths between them."""
