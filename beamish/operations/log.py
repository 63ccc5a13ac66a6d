"""The node's log: lines of text for people, or a JSON object a line for programs.

    {"time": "2026-01-31T12:00:00.123Z", "level": "ERROR", "logger": "actors", "message": "...",
     "actor": "<User ('user', 'ada') node#12>", "class": "User", "reason": "...",
     "exceptions": [{"text": "...", "frames": [["file.py", 12, "function"], ...]}]}

`time` is UTC. Beside the first four there is what the runtime logs as values and not as text: the
actor, its class, exit reason and exceptions of a crash; supervisor, context and child of a
supervisor's report. Everything is bounded as the runtime bounds its reports. What actors hold and
the contents of messages are not logged in either format, so neither are passwords and tokens.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any, Final

from actors import ExitReason, Ref
from actors.observing.tracebacks import Trace, take_trace
from supervision import SupervisorReport

MAX_MESSAGE: Final = 8_000
TEXT: Final = "%(asctime)s %(levelname)s %(message)s"


def set_up_log(kind: str) -> None:
    """Log to the error stream, from `INFO` on; `kind` is "text" or "json"."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if kind == "json" else logging.Formatter(TEXT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


class JsonFormatter(logging.Formatter):
    """One JSON object a record; see the module."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        fields: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:MAX_MESSAGE],
        }
        for value in record.args if isinstance(record.args, tuple) else ():
            fields |= structured(value)
        if record.exc_info is not None and record.exc_info[1] is not None:
            fields |= structured(take_trace(record.exc_info[1]))
        if "exceptions" in fields:
            # The text has the same once more, behind its first line.
            fields["message"] = fields["message"].split("\n", 1)[0]
        return json.dumps(fields, ensure_ascii=False)


def structured(value: object) -> dict[str, Any]:
    """The fields that a value of the runtime adds to a record; none for any other."""
    if isinstance(value, Ref):
        behaviour = getattr(value, "behaviour", None)
        fields = {"actor": repr(value)}
        return fields if behaviour is None else fields | {"class": behaviour.name}
    if isinstance(value, ExitReason):
        return {"reason": str(value)}
    if isinstance(value, Trace):
        return {
            "exceptions": [
                {"text": text, "frames": [list(frame) for frame in frames]}
                for text, frames in value.exceptions
            ]
        }
    if isinstance(value, SupervisorReport):
        child = value.offender
        return {
            "supervisor": repr(value.supervisor),
            "context": value.context,
            "reason": value.reason,
            "actor": repr(child.ref) if child.ref is not None else None,
            "class": child.actor,
            "child": child.id,
            "restart": child.restart,
        }
    return {}
