"""Whether something slow stays hidden: differences between replicas that no CV shows."""
