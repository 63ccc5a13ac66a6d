"""Channels: one copy of the log for each node, handed to all who follow it there."""
