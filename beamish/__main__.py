"""`python -m beamish` is the command `beamish`."""

from __future__ import annotations

from beamish.cli import main

if __name__ == "__main__":
    main(prog_name="beamish")
