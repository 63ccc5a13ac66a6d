"""Actors of a special kind, and what helps any: tasks, state machines, agents, timers."""
