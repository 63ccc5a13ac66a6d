"""`make replay-all`: play logs both ways against a fresh node and demand the zeros.

    python -m tests.house.replay_all LOG... [-- OPTION...]

What follows `--` goes to `beamish replay` (say `--connections 500`). The accounts are written to
`out/replay.json` and `out/replay-direct.json`; the status is that of the first play that failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.node_process import raise_file_limit, running_node

OUT = Path("out")


def main() -> int:
    """Play everything; 0 only if both ways came to the zeros."""
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    logs, options = arguments[:cut], arguments[cut + 1 :]
    if not logs:
        print('Name the logs to play: make replay-all LOGS="a.log b.log"')
        return 2
    OUT.mkdir(exist_ok=True)
    raise_file_limit()
    beamish = str(Path(sys.executable).with_name("beamish"))
    with (
        tempfile.TemporaryDirectory(prefix="beamish-replay-") as folder,
        running_node(Path(folder) / "data") as node,
    ):
        for name, way in (("replay", []), ("replay-direct", ["--direct"])):
            command = [beamish, "replay", *logs, "--url", node.ws, "--now", *way]
            command += [*options, "--json", str(OUT / f"{name}.json")]
            print("==", " ".join(command[1:]), flush=True)
            done = subprocess.run(command, check=False)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
