"""Streams of the journal as the messenger's actors read and write them."""
