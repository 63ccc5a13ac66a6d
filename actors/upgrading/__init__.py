"""New code for living actors."""
