"""The plugin behind `make rows`: its table, and the markers that it refuses."""

from __future__ import annotations

import pytest

TABLE = "| id | what works |\n|---|---|\n| TL1 | one |\n| TL2 | two |\n| SE8 | three |\n"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    docs = pytester.mkdir("docs")
    (docs / "features.md").write_text(TABLE, encoding="utf-8")
    pytester.makeini("[pytest]\nmarkers =\n    row(id): a row\n    row_part(id): a part of a row\n")
    return pytester


def rows(project: pytest.Pytester, tests: str) -> list[str]:
    project.makepyfile(test_it="import pytest\n" + tests)
    project.runpytest_inprocess("-p", "rows", "--rows", "rows.txt")
    return (project.path / "rows.txt").read_text(encoding="utf-8").splitlines()


def test_a_row_without_a_test_is_none(project: pytest.Pytester) -> None:
    assert rows(project, "def test_a(): pass") == ["TL1 none -", "TL2 none -", "SE8 none -"]


def test_a_row_passes_with_its_test(project: pytest.Pytester) -> None:
    table = rows(project, '@pytest.mark.row("TL2")\ndef test_a(): pass')
    assert table == ["TL1 none -", "TL2 passed test_it.py::test_a", "SE8 none -"]


def test_one_failed_test_of_several_fails_the_row(project: pytest.Pytester) -> None:
    first = '@pytest.mark.row("TL1")\ndef test_a(): pass\n'
    second = '@pytest.mark.row("TL1")\n@pytest.mark.row("SE8")\ndef test_b(): assert False'
    table = rows(project, first + second)
    assert table == ["TL1 failed test_it.py::test_a +1", "TL2 none -", "SE8 failed test_it.py::test_b"]


def test_one_skipped_test_of_several_leaves_the_row_open(project: pytest.Pytester) -> None:
    test = "def test_a(n):\n    if n == 2: pytest.skip('no GPU')"
    table = rows(project, '@pytest.mark.row("TL1")\n@pytest.mark.parametrize("n", [1, 2, 3])\n' + test)
    assert table[0] == "TL1 skipped test_it.py::test_a[1] +2"


def test_an_error_in_a_fixture_fails_the_row(project: pytest.Pytester) -> None:
    table = rows(
        project,
        '@pytest.fixture\ndef broken(): raise ValueError("no")\n@pytest.mark.row("TL1")\ndef test_a(broken): pass',
    )
    assert table[0] == "TL1 failed test_it.py::test_a"


def test_a_row_that_works_in_part_stays_none_and_names_its_test(project: pytest.Pytester) -> None:
    table = rows(project, '@pytest.mark.row_part("TL1")\ndef test_a(): pass')
    assert table[0] == "TL1 none test_it.py::test_a"


def test_only_marked_tests_run(project: pytest.Pytester) -> None:
    project.makepyfile(test_it='import pytest\n@pytest.mark.row("TL1")\ndef test_a(): pass\ndef test_b(): assert False')
    project.runpytest_inprocess("-p", "rows", "--rows", "rows.txt").assert_outcomes(passed=1, deselected=1)


def test_an_unknown_row_fails_the_collection(project: pytest.Pytester) -> None:
    project.makepyfile(test_it='import pytest\n@pytest.mark.row("TL99")\ndef test_a(): pass')
    result = project.runpytest_inprocess("-p", "rows")
    result.stderr.fnmatch_lines(
        ["*test_it.py::test_a is marked with row 'TL99', which docs/features.md does not have."]
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("marker", ['row("TL" + "1")', "row(NAME)", 'row("TL1", "TL2")', "row()", 'row(id="TL1")'])
def test_a_marker_without_one_literal_id_fails_the_collection(project: pytest.Pytester, marker: str) -> None:
    project.makepyfile(test_it=f'import pytest\nNAME = "TL1"\n@pytest.mark.{marker}\ndef test_a(): pass')
    result = project.runpytest_inprocess("-p", "rows")
    result.stderr.fnmatch_lines(['*test_it.py:3 needs one literal id, such as @pytest.mark.row("SE8").'])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
