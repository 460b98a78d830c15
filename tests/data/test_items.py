"""What is handed over to be predicted or measured, in all the forms that people have it in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.examples import ArrayExamples
from gradfleet.data.items import inputs_of, raw_items
from gradfleet.data.labelled import labelled
from gradfleet.data.prepared import DataFacts
from gradfleet.data.scratch import Scratch
from gradfleet.data.typed_items import named_items
from gradfleet.errors import DataError

REVIEWS = {"text": [f"text {number}" for number in range(12)], "label": ["neg", "pos"] * 6}


def reviews(**changed: Any) -> DataFacts:
    return AutoDataset({**REVIEWS, **changed}).open().facts


def flowers(class_folders: Any) -> tuple[Path, DataFacts]:
    folder = class_folders({"rose": 4, "tulip": 4})
    return folder, AutoDataset(folder).open().facts


@pytest.mark.row("DA6")
@pytest.mark.parametrize(
    ("trained", "asked", "message"),
    [
        ([1, 2, 3, 4], [0, 0, 1], "which has '1', '2', '3', '4'; it never saw '0'"),
        ([-1, 1], [0, 1, -1], "which has '-1', '1'; it never saw '0'"),
        (["neg", "pos"], [0, 1, 0], "which has 'neg', 'pos'; it never saw '0', '1'"),
        ([True, False], [0, 1, 1], "which has 'False', 'True'; it never saw '0', '1'"),
    ],
)
def test_a_number_in_a_table_is_a_label_and_never_the_number_of_a_class(
    trained: list[Any], asked: list[int], message: str
) -> None:
    facts = reviews(label=trained * (12 // len(trained)))
    table = {"text": ["a", "b", "c"], "label": asked}
    with pytest.raises(DataError, match=message):
        labelled(table, facts)
    with pytest.raises(DataError, match=message):
        AutoDataset({**REVIEWS, "label": trained * (12 // len(trained))}, validation=table)


def test_arrays_are_predicted_in_the_type_that_training_had() -> None:
    rows, targets = np.random.default_rng(0).random((12, 3)), [0, 1] * 6
    facts = AutoDataset((rows, targets)).open().facts
    for given in (rows, torch.from_numpy(rows), rows.tolist(), np.arange(6).reshape(2, 3), [[0, 1, 2]]):
        assert inputs_of(given, facts).dtype == torch.float32
    with pytest.raises(DataError, match="The model learned from rows of numbers, got str, such as 'a.png'"):
        inputs_of(["a.png"], facts)
    with pytest.raises(DataError, match="Inputs need rows of one shape"):
        inputs_of([[1, 2, 3], [1]], facts)
    with pytest.raises(DataError, match=r"rows of numbers and no table. Pass frame.to_numpy\(\)"):
        inputs_of(pandas.DataFrame(rows), facts)


def test_bytes_are_predicted_from_whole_numbers_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 4), np.uint8)
    facts = AutoDataset((pixels, [0, 1] * 6)).open().facts
    for kind in (np.uint8, np.int64, np.float64):
        assert torch.equal(inputs_of(pixels.astype(kind), facts), torch.from_numpy(pixels))
    with pytest.raises(DataError, match="whole numbers from 0 to 255 as in training, got torch.float32 from 0"):
        inputs_of(pixels / 255, facts)


@pytest.mark.parametrize(
    "place", ["{0}/new.csv", "file://{0}/new.csv", "{0}/new.csv.gz", "{0}/new.zip", "memory://n.csv"]
)
def test_a_table_is_predicted_from_wherever_it_lies(place: str, tmp_path: Path) -> None:
    frame = pandas.DataFrame({"text": ["one", "two, three"]})
    frame.to_csv(tmp_path / "new.csv", index=False)
    frame.to_csv(tmp_path / "new.csv.gz", index=False)
    shutil.make_archive(str(tmp_path / "new"), "zip", tmp_path, "new.csv")
    with fsspec.open("memory://n.csv", "w") as file:
        frame.to_csv(file, index=False)
    found = inputs_of(place.format(tmp_path), reviews())
    assert list(found.texts) == ["one", "two, three"]


def test_one_item_is_not_taken_for_a_list_of_items(class_folders: Any, tmp_path: Path) -> None:
    folder, images = flowers(class_folders)
    with pytest.raises(DataError, match=r"got the single 'a lovely film'. Pass \['a lovely film'\]"):
        inputs_of("a lovely film", reviews())
    with pytest.raises(DataError, match=r"There is no file .*nope\.csv"):
        inputs_of("nope.csv", reviews())
    with Image.open(folder / "rose" / "000.png") as one:
        for single in (one, np.asarray(one), (folder / "rose" / "000.png").read_bytes()):
            with pytest.raises(DataError, match="got a single image.* Pass it in a list"):
                inputs_of(single, images)
        assert len(inputs_of([one], images)) == 1
    with pytest.raises(DataError, match="At least one item is needed, got none"):
        inputs_of([], images)
    for facts in (images, reviews()):
        with pytest.raises(DataError, match="predict takes a list of items, got NoneType"):
            inputs_of(None, facts)
    with pytest.raises(DataError, match="A path without a name cannot be read as an image"):
        inputs_of([""], images)
    assert raw_items(pandas.Series(["a", "b"]), reviews(), Scratch()) == ["a", "b"]


def test_a_model_of_a_folder_of_images_takes_tables_and_pairs_of_their_files(class_folders: Any) -> None:
    folder, facts = flowers(class_folders)
    expected = labelled(folder, facts)
    frame = pandas.DataFrame({"number": range(8), "file": expected.names, "label": ["rose"] * 4 + ["tulip"] * 4})
    files = [Path(name) for name in expected.names or ()]
    for found in (labelled(frame, facts), labelled((files, frame["label"]), facts)):
        assert torch.equal(found.examples.inputs, expected.examples.inputs)
        assert torch.equal(found.examples.targets, expected.examples.targets)
        assert [str(name) for name in found.names or ()] == expected.names
    assert torch.equal(inputs_of(frame, facts), expected.examples.inputs)
    with pytest.raises(
        DataError, match=r"No column holds images or the names of their files; the columns are 'number', 'label'"
    ):
        inputs_of(frame.drop(columns="file"), facts)
    with pytest.raises(DataError, match="Each row needs a target, got 8 rows and 7 targets"):
        labelled((files, ["rose"] * 7), facts)


def test_rows_of_an_archive_are_called_as_they_are_in_it(class_folders: Any, tmp_path: Path) -> None:
    folder, facts = flowers(class_folders)
    shutil.make_archive(str(tmp_path / "held"), "zip", folder)
    assert (labelled(tmp_path / "held.zip", facts).names or [])[:2] == ["rose/000.png", "rose/001.png"]
    assert (labelled(folder, facts).names or [])[0] == str(folder / "rose" / "000.png")


def test_what_is_typed_is_a_file_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my reviews.csv").write_text("text\nfirst\nsecond\n")
    (tmp_path / "one.TXT").write_bytes(b"\xef\xbb\xbfa film")
    (tmp_path / "notes.md").write_text("no")
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9")
    (tmp_path / "gap.csv").write_text("text\nfirst\n\nthird\n")

    def named(*items: str) -> list[tuple[str, Any]]:
        return named_items(items, reviews(), Scratch())

    assert named("my reviews.csv") == [("first", "first"), ("second", "second")]
    assert named("one.TXT", "a film...really", "x" * 5000) == [
        ("one.TXT", "a film"),
        ("a film...really", "a film...really"),
        ("x" * 5000, "x" * 5000),
    ]
    for item, message in {
        "notes.md": "'notes.md' is a file of no kind that texts are read from",
        "bad.txt": r"bad\.txt is not UTF-8 \(byte 0xe9\). Save it as UTF-8",
        "gone.txt": r"There is no file 'gone\.txt'",
        "gap.csv": r"'text' has nothing in row 1",
    }.items():
        with pytest.raises(DataError, match=message):
            named(item)


def test_the_file_of_a_table_stands_for_its_rows(class_folders: Any, tmp_path: Path) -> None:
    _, images = flowers(class_folders)
    pandas.DataFrame({"file": ["flowers/rose/000.png"]}).to_csv(tmp_path / "new.csv", index=False)
    ((name, item),) = named_items([str(tmp_path / "new.csv")], images, Scratch())
    assert (name, item) == (str(tmp_path / "flowers/rose/000.png"), tmp_path / "flowers/rose/000.png")
    numbers = AutoDataset({"a": [0.5, 1.5] * 6, "b": [1.0, 2.0] * 6, "label": [0, 1] * 6}).open().facts
    pandas.DataFrame({"a": [1, 2], "b": [3, 4]}).to_csv(tmp_path / "rows.csv", index=False)
    found = named_items([str(tmp_path / "rows.csv")], numbers, Scratch())
    assert found == [
        (f"{tmp_path}/rows.csv:0", {"a": 1, "b": 3}),
        (f"{tmp_path}/rows.csv:1", {"a": 2, "b": 4}),
    ]
    assert inputs_of([row for _, row in found], numbers).tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_a_table_without_rows_has_nothing_to_predict() -> None:
    with pytest.raises(DataError, match="has no rows"):
        inputs_of(pandas.DataFrame(REVIEWS).head(0), reviews())


@pytest.mark.parametrize("kind", [np.float32, bool])
def test_black_and_white_up_to_1_is_no_byte(kind: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 4), np.uint8)
    facts = AutoDataset((pixels, [0, 1] * 6)).open().facts
    with pytest.raises(DataError, match=r"whole numbers from 0 to 255 as in training, got torch\..* to 1\."):
        inputs_of((pixels > 128).astype(kind), facts)


def test_a_pair_may_hold_what_predict_takes_and_is_called_by_it(tmp_path: Path) -> None:
    frame, data = pandas.DataFrame(REVIEWS), AutoDataset(REVIEWS)
    facts, validation = data.open().facts, data.open().validation
    assert labelled((frame[["text"]], frame["label"]), facts).names == REVIEWS["text"]
    frame.to_csv(tmp_path / "held.csv", index=False)
    assert labelled((tmp_path / "held.csv", REVIEWS["label"]), facts).names == REVIEWS["text"]
    assert isinstance(validation, ArrayExamples)
    again = labelled((validation.inputs, validation.targets), facts)
    assert torch.equal(again.examples.targets, validation.targets)
    assert again.names == list(validation.inputs.texts)


def test_a_folder_at_a_local_url_is_called_by_its_path(class_folders: Any) -> None:
    folder, facts = flowers(class_folders)
    assert (labelled(f"file://{folder}", facts).names or [])[0] == str(folder / "rose" / "000.png")
