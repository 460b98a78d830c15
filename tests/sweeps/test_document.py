"""A sweep file is read with the place of every value, and what cannot be one is refused by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradfleet.errors import NotFoundError, SettingError
from gradfleet.sweeps.document import MAX_BYTES, Document, scalar

TEXT = """\
name: flowers
search:
  trials: 40
space:
  rate: {low: 1e-5, high: 0.1}
  cases: [yes, no]
"""


def test_values_are_those_of_yaml_1_2() -> None:
    values = Document.parse(TEXT).values
    assert values["space"] == {"rate": {"low": 1e-5, "high": 0.1}, "cases": ["yes", "no"]}


def test_every_value_has_its_place() -> None:
    document = Document.parse(TEXT, name="a.yaml")
    assert document.where(("search", "trials")) == "a.yaml:3:3"
    assert document.where(("space", "rate", "high")) == "a.yaml:5:21"
    assert document.where(("space", "cases", 1)) == "a.yaml:6:16"


def test_what_is_not_said_is_placed_at_what_is_around_it() -> None:
    document = Document.parse(TEXT, name="a.yaml")
    assert document.where(("search", "epochs")) == "a.yaml:2:1"
    assert document.where(("store",)) == "a.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "a.yaml:2:2: expected ',' or ']', but got ':'"),
        ("a: 1\nb: 2\na: 3\n", 'a.yaml:3:1: found duplicate key "a"'),
        ("- 1\n", "a.yaml needs `key: value` lines at the top, got list"),
        ("", "a.yaml needs `key: value` lines at the top, got NoneType"),
        ("a: &x [1]\nb: [*x, *x]\n", r"a.yaml:2:5: aliases \(\*x\) are not read; write the value out"),
        ("a: !!python/object/apply:os.system ['true']\n", "a.yaml:1:4: could not determine a constructor"),
        ("a: \x00\n", "a.yaml cannot be read as YAML"),
        ("a: " + "[" * 5000 + "]" * 5000, "a.yaml:1:23: a sweep file nests at most 20 deep"),
    ],
)
def test_what_is_no_sweep_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Document.parse(text, name="a.yaml")


def test_a_file_that_is_not_there_or_too_large_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no sweep file .*gradfleet init"):
        Document.read(tmp_path / "none.yaml")
    large = tmp_path / "large.yaml"
    large.write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(SettingError, match="has 100,001 bytes; a sweep has at most 100,000"):
        Document.read(large)
    with pytest.raises(SettingError, match="sweep.yaml has 100,001 bytes"):
        Document.parse("#" * (MAX_BYTES + 1))
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(SettingError, match="is not UTF-8 text"):
        Document.read(tmp_path / "latin.yaml")


def test_a_value_is_set_without_changing_the_document_it_came_from() -> None:
    document = Document.parse(TEXT)
    changed = document.with_value(("search", "trials"), 3, place="search.trials=3")
    added = changed.with_value(("resources", "cpu"), 2, place="resources.cpu=2")
    assert added.values["search"] == {"trials": 3}
    assert added.values["resources"] == {"cpu": 2}
    assert added.where(("search", "trials")) == "search.trials=3"
    assert document.values["search"] == {"trials": 40}
    with pytest.raises(SettingError, match="name.x=1: 'name' is 'flowers' in sweep.yaml, so nothing can be set inside"):
        document.with_value(("name", "x"), 1, place="name.x=1")


def test_what_was_typed_inside_of_a_value_is_its_place() -> None:
    document = Document.parse(TEXT).with_value(("space", "rate", "low"), -1, place="low=-1")
    assert document.where(("space", "rate")) == "low=-1"
    assert document.where(("space", "rate", "high")) == "sweep.yaml:5:21"
    assert document.where(("space", "cases")) == "sweep.yaml:6:3"
    both = document.with_value(("space", "rate", "high"), -2, place="high=-2")
    assert both.where(("space", "rate")) == "low=-1 high=-2"
    assert both.with_value(("space", "rate"), 3, place="rate=3").where(("space", "rate", "low")) == "rate=3"


def test_a_refused_alias_names_the_file_once() -> None:
    with pytest.raises(SettingError) as caught:
        Document.parse("a: &x [1]\nb: *x\n", name="a.yaml")
    assert str(caught.value) == "a.yaml:2:4: aliases (*x) are not read; write the value out."


def test_a_single_value_is_read_as_in_a_file() -> None:
    assert [scalar(text) for text in ("1e-5", "no", "[32, 64]", "{low: 1}", "", "null")] == [
        1e-5,
        "no",
        [32, 64],
        {"low": 1},
        None,
        None,
    ]
