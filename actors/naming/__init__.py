"""How actors are found: names, registries, groups."""
