"""What waits for an actor: order, bounds and their policies, messages put aside."""
