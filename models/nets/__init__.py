"""The networks, without losses or densities."""
