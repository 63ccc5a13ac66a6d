"""Calls beyond the plain one: deferred replies, requests collected later, many at once."""
