"""What is typed to be predicted by a service: texts, and files of them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gradfleet.errors import DataError
from gradfleet.fleet.sent_items import sent_for


def test_texts_and_their_files_are_sent_as_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.txt").write_text("a film")
    Path("many.csv").write_text("text\nfirst\nsecond\n")
    Path("wide.csv").write_text("text,label\nfirst,a\n")
    Path("notes.md").write_text("no")
    assert list(sent_for("a lovely film", "texts")) == [("a lovely film", "a lovely film")]
    assert list(sent_for("one.txt", "texts")) == [("one.txt", "a film")]
    assert list(sent_for("many.csv", "texts")) == [("first", "first"), ("second", "second")]
    assert list(sent_for("x" * 5000, "texts")) == [("x" * 5000, "x" * 5000)]
    for item, message in {
        "notes.md": "'notes.md' is a file of no kind that texts are read from",
        "wide.csv": "sent texts alone, and wide.csv has the columns 'text', 'label'",
    }.items():
        with pytest.raises(DataError, match=message):
            list(sent_for(item, "texts"))


def test_images_are_sent_as_base64_and_tables_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "new.png").write_bytes(b"png")
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    ((_, sent),) = sent_for(str(tmp_path / "new.png"), "images")
    assert base64.b64decode(sent) == b"png"
    assert list(sent_for(str(tmp_path / "rows.csv"), "rows")) == [
        (f"{tmp_path}/rows.csv:0", {"a": 1, "b": 2}),
        (f"{tmp_path}/rows.csv:1", {"a": 3, "b": 4}),
    ]
    with pytest.raises(DataError, match="an item is the file of one; got 'a text'"):
        list(sent_for("a text", "rows"))
