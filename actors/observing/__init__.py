"""Looking at actors: reports, events, status, statistics, traces, the tree, metrics."""
