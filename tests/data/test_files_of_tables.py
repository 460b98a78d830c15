"""A table that names image files: where they are looked for, and what happens when some are not there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.labelled import labelled
from gradfleet.errors import DataError

PARTS = {"train": "L", "validation": "1", "test": "L"}
"""Grey noise, and the same in black and white."""


def labels(folder: Path, names: list[str], place: Path) -> Path:
    pandas.DataFrame({"image": names, "label": ["rose", "tulip"] * (len(names) // 2)}).to_csv(place, index=False)
    return folder


@pytest.mark.row("DA1")
@pytest.mark.parametrize("below", ["flowers/all/", ""])
def test_a_table_beside_a_folder_of_images_names_them_with_or_without_it(class_folders: Any, below: str) -> None:
    flowers = class_folders({"all": 12})
    names = [f"{below.removeprefix('flowers/')}{number:03}.png" for number in range(12)]
    data = AutoDataset(labels(flowers, names, flowers / "labels.csv"))
    assert data.form == "images"
    assert data.open().facts.num_rows == {"train": 10, "validation": 2}
    assert data.open().facts.columns == {"inputs": ["image"], "target": ["label"]}


def test_as_many_images_validate_whether_a_folder_an_archive_or_a_table_holds_them(class_folders: Any) -> None:
    flowers = class_folders({"rose": 30, "tulip": 30})
    shutil.make_archive(str(flowers), "zip", flowers)
    (flowers / "rose" / "Thumbs.db").write_text("no image")
    names = [f"flowers/{label}/{number:03}.png" for label in ("rose", "tulip") for number in range(30)]
    labels(flowers, names, flowers.with_name("flowers.csv"))
    for source in (flowers, flowers.with_name("flowers.zip"), flowers.with_name("flowers.csv")):
        for enough, validating in ((6, 6), (1, 3), (50, 12)):
            rows = AutoDataset(source, validation_rows=enough).open().facts.num_rows
            assert rows == {"train": 60 - validating, "validation": validating}


@pytest.mark.row("DA10")
def test_files_that_are_not_there_are_refused_by_row_or_left_out(class_folders: Any) -> None:
    flowers = class_folders({"all": 12})
    names = [f"{number:03}.png" for number in range(14)]
    labels(flowers, names, flowers / "labels.csv")
    with pytest.raises(DataError, match=r"no file for 'image', such as '012\.png', in 2 rows .*: 12, 13\."):
        AutoDataset(flowers)
    kept = AutoDataset(flowers, on_bad_rows="skip")
    assert sum(kept.open().facts.num_rows.values()) == 12
    assert any("no file for 'image'" in note for note in kept.notes)


@pytest.mark.parametrize("nothing", [{"bytes": None, "path": None}, {"bytes": b"", "path": None}])
def test_images_without_bytes_and_path_are_refused_by_row_or_left_out(
    class_folders: Any, tmp_path: Path, nothing: Any
) -> None:
    names = sorted((class_folders({"all": 12}) / "all").iterdir())
    rows = [{"image": {"bytes": name.read_bytes(), "path": None}, "label": "ab"[n % 2]} for n, name in enumerate(names)]
    rows[7]["image"] = nothing
    pandas.DataFrame(rows).to_parquet(tmp_path / "flowers.parquet")
    for source in (rows, tmp_path / "flowers.parquet"):
        with pytest.raises(DataError, match=r"nothing in 'image' in 1 row .*: 7\."):
            AutoDataset(source)
        kept = AutoDataset(source, on_bad_rows="skip")
        assert sum(kept.open().facts.num_rows.values()) == 11
        with pytest.raises(DataError, match=r"'image' has nothing in row 7 "):
            labelled(source, kept.open().facts)


@pytest.mark.row("DA10")
@pytest.mark.parametrize("place", ["../../secret/all", "{secret}/all"])
def test_a_table_in_an_archive_names_no_file_outside_of_it(class_folders: Any, tmp_path: Path, place: str) -> None:
    flowers, secret = class_folders({"all": 12}), class_folders({"all": 2}, name="secret")
    outside = [f"{place.format(secret=secret)}/00{number}.png" for number in range(2)]
    labels(flowers, [*(f"{number:03}.png" for number in range(10)), *outside], flowers / "labels.csv")
    own = AutoDataset(flowers)
    assert own.open().facts.num_rows == {"train": 10, "validation": 2}, "a table of one's own may"
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", flowers)
    with pytest.raises(
        DataError, match=r"a file outside its archive or URL in 'image', such as '\S*secret/all/000.png', .*: 10, 11\."
    ):
        AutoDataset(packed)
    with pytest.raises(DataError, match=r"names files of its own archive or URL only; .* in the rows 10, 11\."):
        labelled(packed, own.open().facts)
    beside = AutoDataset(flowers, validation=packed, on_bad_rows="skip")
    assert beside.open().facts.num_rows == {"train": 12, "validation": 10}
    assert any("a file outside its archive" in note for note in beside.notes)


def test_a_saved_dataset_in_an_archive_names_no_file_outside_of_it(class_folders: Any, tmp_path: Path) -> None:
    import datasets

    files = sorted(map(str, class_folders({"all": 12}).rglob("*.png")))
    rows = datasets.Dataset.from_dict({"image": files, "label": ["rose", "tulip"] * 6})
    rows.save_to_disk(str(tmp_path / "saved"))
    assert AutoDataset(tmp_path / "saved").open().facts.num_rows == {"train": 10, "validation": 2}
    with pytest.raises(DataError, match="a file outside its archive or URL in 'image'"):
        AutoDataset(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "saved"))


def test_a_held_out_table_finds_its_own_files(class_folders: Any, tmp_path: Path) -> None:
    names = [f"{number:03}.png" for number in range(12)]
    flowers = class_folders({"all": 12})
    facts = AutoDataset(labels(flowers, names, flowers / "labels.csv")).open().facts
    held_out = class_folders({"all": 12}, name="held_out", mode="1")
    labels(held_out, names, held_out / "all" / "labels.csv")
    expected = labelled(held_out / "all" / "labels.csv", facts).examples
    assert not torch.equal(expected.inputs, labelled(flowers / "labels.csv", facts).examples.inputs)
    shutil.make_archive(str(tmp_path / "held_out"), "zip", held_out)
    for given in (held_out / "all", tmp_path / "held_out.zip"):
        assert torch.equal(labelled(given, facts).examples.inputs, expected.inputs)


def test_each_part_finds_its_files_beside_its_own_table(class_folders: Any) -> None:
    names = [f"{number:03}.png" for number in range(12)]
    places = {part: class_folders({"all": 12}, name=part, mode=mode) / "all" for part, mode in PARTS.items()}
    tables = {part: labels(place, names, place / "labels.csv") / "labels.csv" for part, place in places.items()}
    opened = AutoDataset(tables["train"], validation=tables["validation"], test=tables["test"]).open()
    assert set(opened.train.inputs.unique().tolist()) - {0, 255}
    assert set(opened.validation.inputs.unique().tolist()) == {0, 255}
    assert torch.equal(opened.test.inputs, opened.train.inputs)
