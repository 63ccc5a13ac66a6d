"""What operators see of a running node: figures, metrics, the admin port, logs, traces.

Nothing here is needed for a node to run; all of it reads what the node's parts count anyway, or
hangs where they have a place for it.
"""
