"""What can be said of the site without building it; `make docs` builds it, strictly."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_the_navigation_lists_every_page_once():
    listed = re.findall(r"^ +- (?:\w+: )?(\S+\.md)$", CONFIG, re.MULTILINE)
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")]
    assert sorted(listed) == sorted([*pages, "contributing.md"])


def test_the_entry_page_links_to_every_page():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\((\S+?\.md)\)", text)) | {"index.md", "../CONTRIBUTING.md"}
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")]
    assert set(pages) <= linked


def test_every_module_with_a_contract_in_the_reference_exists():
    text = (ROOT / "docs" / "reference" / "contracts.md").read_text(encoding="utf-8")
    modules = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    assert len(modules) == len(set(modules)) > 40
    for module in modules:
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


def test_ci_builds_the_site_with_warnings_as_errors():
    # `mkdocs build --quiet` would count no warnings, and so not be strict.
    assert "mkdocs build --strict\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nmake docs\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
