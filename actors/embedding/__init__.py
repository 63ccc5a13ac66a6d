"""Ways in from outside of trio: asyncio and threads."""
