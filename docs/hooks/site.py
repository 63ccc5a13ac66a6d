"""What the site needs besides its pages: files from outside of docs/, and a check of the result.

Pages link to files of the project as they lie (``../examples/echo_bot.py``), so that the links work
in a checkout too. Those files become pages of the site, and the links lead there. After the build
every page is searched for what it would load from elsewhere; finding something is an error.
"""

from __future__ import annotations

import ast
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[2]
CONTRIBUTING: Final = "contributing.md"
_LINK: Final = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[#)])")
_LOADED: Final = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the contributing page, and a page for each example."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", contributing)
    files.append(File.generated(config, CONTRIBUTING, content=text))
    for path in sorted((ROOT / "examples").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        summary = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        text = f"# examples/{path.name}\n\n{summary}\n\n```python\n{source}```\n"
        page = File.generated(config, f"examples/{path.stem}.md", content=text)
        page.inclusion = page.inclusion.NOT_IN_NAV
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links out of docs/ lead to the pages that stand for those files."""
    folder = posixpath.dirname(page.file.src_uri)

    def inside(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, match[1]))
        if target == "CONTRIBUTING.md":
            return posixpath.relpath(CONTRIBUTING, folder or ".")
        if target.startswith("examples/") and target.endswith(".py"):
            return posixpath.relpath(f"{target[:-3]}.md", folder or ".")
        return match[0]

    return _LINK.sub(inside, markdown)


class _Loads(HTMLParser):
    """Collects the addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        loads = [value for name, value in attrs if (tag, name) in _LOADED and value]
        if tag == "link" and given.get("rel") != "canonical":
            loads.append(given.get("href") or "")
        self.found += [value for value in loads if re.match(r"(\w+:)?//", value)]


def on_post_build(config: MkDocsConfig) -> None:
    """Fail if a page needs something that is not in the site."""
    for path in sorted(Path(config.site_dir).rglob("*.html")):
        loads = _Loads()
        loads.feed(path.read_text(encoding="utf-8"))
        if loads.found:
            raise PluginError(f"{path} loads {loads.found[0]}: put a copy into the site instead.")
    for path in sorted(Path(config.site_dir).rglob("*.css")):
        if re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", path.read_text(encoding="utf-8")):
            raise PluginError(f"{path} loads something: put a copy into the site instead.")
