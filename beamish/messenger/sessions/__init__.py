"""The actor of a connection: a client's commands in, the inbox out."""
