"""A backup onto a disk that has no room for it; run as a script.

``python backup_scenario.py DIR MOMENT``: the journal is in DIR, the small disk at DIR/small. Prints
one JSON object with what was seen. MOMENT: ``data``: the copy does not fit; ``manifest``: it does,
and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import trio

from storage import Appended, BackupError, backup, host, lmdb_backup, open_lmdb


async def main() -> None:
    root, moment = Path(sys.argv[1]), sys.argv[2]
    small = root / "small"
    seen = {}
    lmdb_backup._Run._check_room = lambda *_: None  # the room is there when it looks
    if moment == "manifest":
        replace = host.replace_file

        def replace_on_a_full_disk(path, content) -> None:
            with (small / "filler").open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            replace(path, content)

        host.replace_file = replace_on_a_full_disk
    async with open_lmdb(root / "journal", reserve_bytes=0, ballast_bytes=0) as journal:
        for number in range(6):
            await journal.append(f"s{number}", 0, os.urandom(1 << 20))
        try:
            await backup(journal, small / "backup")
        except BackupError as error:
            seen["sentence"] = str(error)
        seen["left"] = [path.name for path in small.iterdir() if path.name != "filler"]
        seen["appended after"] = isinstance(await journal.append("s0", 1, b"x"), Appended)
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    trio.run(main)
