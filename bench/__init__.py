"""The benches: `python -m bench NAME [--quick] [--only FIGURE] [--json FILE]`.

A bench is a module here with a tuple `RUNS` of `bench.harness.Run`. Every sample is taken in a
process of its own; ours and each peer take turns in every round, and a ratio is the median over the
rounds of ours divided by the peer, so that whatever else the machine does falls on both.
"""
