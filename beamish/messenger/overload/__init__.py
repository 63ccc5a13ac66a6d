"""What a node does when it has more to do than it can: measuring it, shedding by worth, floods."""
