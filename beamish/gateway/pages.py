"""The page's files, held in memory, and the headers that keep a browser to them.

All files of one folder are read at the start (at most 16 MiB together) and served by exact path,
so no request reaches the file system. Every answer carries an ETag; the browser asks again each
time and mostly hears 304.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""The kinds of files that are served; others in the folder (Python, say) are not."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Sent with every HTTP answer: no script but the node's own, no inline script, no framing."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is served."""

    body: bytes
    content_type: bytes
    etag: bytes


def load_pages(folder: Path | None) -> dict[str, PageFile]:
    """The files of `folder` by request path; `index.html` also serves its folder's path.

    Raises:
        ValueError: they are larger than 16 MiB together.
    """
    pages: dict[str, PageFile] = {}
    if folder is None or not folder.is_dir():
        return pages
    total = 0
    for path in sorted(folder.rglob("*")):
        content_type = CONTENT_TYPES.get(path.suffix.lower())
        if content_type is None or not path.is_file():
            continue
        body = path.read_bytes()
        total += len(body)
        if total > MAX_BYTES:
            raise ValueError(
                f"the page's files in {folder} are larger than {MAX_BYTES} bytes together:"
                " serve large files elsewhere"
            )
        digest = hashlib.blake2b(body, digest_size=12).hexdigest()
        file = PageFile(body, content_type.encode("ascii"), f'"{digest}"'.encode("ascii"))
        name = "/" + path.relative_to(folder).as_posix()
        pages[name] = file
        if path.name == "index.html":
            pages[name.removesuffix("index.html")] = file
    return pages
