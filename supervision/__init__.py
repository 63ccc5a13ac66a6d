"""Package of Beamish."""
