"""Tests that stand for rows of docs/features.md: markers are checked at collection, `--rows PATH` writes the table.

A row passes when every test marked with it passes. One failed test fails it, one skipped test leaves it open.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

MARKERS = ("row", "row_part")
TABLE = Path("docs", "features.md")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rows", metavar="PATH", type=Path, help="run the tests of rows only and write the table here")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--rows"):
        config.pluginmanager.register(_Table(config), "rows-table")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = [item for item in items if _ids(item)]
    problems = [*_wrong_markers(marked), *_unknown_ids(marked, known_ids(config.rootpath))]
    if problems:
        raise pytest.UsageError("\n".join(problems))
    if config.getoption("--rows"):
        config.hook.pytest_deselected(items=[item for item in items if not _ids(item)])
        items[:] = marked


def known_ids(root: Path) -> list[str]:
    return re.findall(r"^\| ([A-Z]{2}\d+) \|", (root / TABLE).read_text(encoding="utf-8"), flags=re.MULTILINE)


def _ids(item: pytest.Item, markers: Sequence[str] = MARKERS) -> list[str]:
    return [str(mark.args[0]) if mark.args else "" for name in markers for mark in item.iter_markers(name)]


def _unknown_ids(items: Sequence[pytest.Item], known: Sequence[str]) -> Iterator[str]:
    for item in items:
        for row in _ids(item):
            if row not in known:
                yield f"{item.nodeid} is marked with row {row!r}, which {TABLE} does not have."


def _wrong_markers(items: Sequence[pytest.Item]) -> Iterator[str]:
    """Markers that a reader, or a search for the id, would not find."""
    for path in sorted({item.path for item in items}):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _is_marker(call) and not _has_one_literal(call):
                yield f'{path}:{call.lineno} needs one literal id, such as @pytest.mark.row("SE8").'


def _is_marker(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and re.fullmatch(r"(pytest\.)?mark\.row(_part)?", ast.unparse(node.func)) is not None
    )


def _has_one_literal(call: ast.Call) -> bool:
    only = call.args[0] if len(call.args) == 1 and not call.keywords else None
    return isinstance(only, ast.Constant) and isinstance(only.value, str)


class _Table:
    """What became of each marked test, and the table of it."""

    def __init__(self, config: pytest.Config) -> None:
        self._path: Path = config.getoption("--rows")
        self._ids = known_ids(config.rootpath)
        self._outcomes: dict[str, set[str]] = {}
        self._tests: dict[str, list[str]] = {}
        self._parts: dict[str, list[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for row in _ids(item, ["row"]):
                self._tests.setdefault(row, []).append(item.nodeid)
            for row in _ids(item, ["row_part"]):
                self._parts.setdefault(row, []).append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._outcomes.setdefault(report.nodeid, set()).add(report.outcome)

    def pytest_sessionfinish(self) -> None:
        lines = [self._line(row) for row in self._ids]
        self._path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _line(self, row: str) -> str:
        tests = self._tests.get(row) or self._parts.get(row) or ["-"]
        more = f" +{len(tests) - 1}" if len(tests) > 1 else ""
        return f"{row} {self._state(row)} {tests[0]}{more}"

    def _state(self, row: str) -> str:
        outcomes = [self._outcomes.get(test, {"skipped"}) for test in self._tests.get(row, ())]
        if not outcomes:
            return "none"
        return next((state for state in ("failed", "skipped") if any(state in each for each in outcomes)), "passed")
