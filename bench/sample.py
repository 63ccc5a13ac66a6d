"""One sample in this process: `python -m bench.sample MODULE:FUNCTION OPTIONS_AS_JSON`.

The function is called with the options as keyword arguments; an async one under trio. Its
figures are printed as one JSON object on the last line of standard output.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import sys

import trio


def main() -> None:
    """Take the sample named on the command line."""
    module, _, name = sys.argv[1].partition(":")
    options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    function = getattr(importlib.import_module(module), name)
    if inspect.iscoroutinefunction(function):
        figures = trio.run(functools.partial(function, **options))
    else:
        figures = function(**options)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
