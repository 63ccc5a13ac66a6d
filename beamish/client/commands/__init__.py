"""What a client can be asked to do, a module for each concern; `client.Client` is all of them.

Numbered commands have two forms: one that waits for the result and raises what was refused, and a
`..._nowait` twin that returns a `PendingCommand` at once.
"""
