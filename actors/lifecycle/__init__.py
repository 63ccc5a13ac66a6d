"""How actors start and end, sleep in between, and hear of each other's end."""
