"""The actor of a conversation: deciding commands, fanning out, gathering marks."""
