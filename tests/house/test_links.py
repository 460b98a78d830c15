"""Links between the project's own pages lead somewhere, and every benchmark stands in its table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [page for place in ("*.md", "docs/*.md", "benchmarks/*.md", "docker/*.md") for page in ROOT.glob(place)]


def sections(page: Path) -> set[str]:
    """As a reader's browser is sent to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in links:
        path, _, section = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not section or section in sections(target), link


def test_every_benchmark_stands_in_the_table() -> None:
    rows = re.findall(r"^\| `[^`]*python (benchmarks/\w+\.py)` \|", (ROOT / "benchmarks/README.md").read_text(), re.M)
    assert sorted(rows) == sorted(str(file.relative_to(ROOT)) for file in ROOT.glob("benchmarks/*.py"))
