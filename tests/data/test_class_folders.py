from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.labelled import labelled
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.vision import ImagePreparation
from gradfleet.errors import DataError


@pytest.mark.row("DA7")
def test_a_path_is_enough_and_what_was_chosen_is_recorded(class_folders: Any, tmp_path: Path) -> None:
    data = AutoDataset(str(class_folders({"rose": 10, "tulip": 5})))
    facts = data.prepare(tmp_path / "cache").open().facts
    assert (facts.kind, facts.labels, facts.num_outputs) == ("multiclass", ("rose", "tulip"), 2)
    assert facts.input_shape == (1, 6, 5)
    assert facts.num_rows == {"train": 12, "validation": 3}
    assert data.open().validation.targets.tolist() == [0, 0, 1]
    assert (
        data.notes
        == facts.notes
        == (
            "The folders name 2 classes, so this is multiclass.",
            "No validation data was given, so 3 of 15 rows validate and 12 train (stratified by class, seed 0).",
            "Images are prepared once: grey, 6 pixels high and 5 wide; one of other proportions is cropped.",
        )
    )


def test_rows_are_the_files_of_their_class(class_folders: Any) -> None:
    folder = class_folders({"rose": 10, "tulip": 5}, mode="RGB")
    data = AutoDataset(folder).open()
    by_pixels = {np.asarray(Image.open(path)).tobytes(): path.parent.name for path in folder.rglob("*.png")}
    for part in (data.train, data.validation):
        for image, number in zip(part.inputs, part.targets, strict=True):
            assert by_pixels.pop(image.permute(1, 2, 0).numpy().tobytes()) == data.facts.labels[number]
    assert by_pixels == {}


@pytest.mark.parametrize(
    ("train", "name", "test"),
    [
        ("train", "val", "test"),
        ("train", "valid", "test"),
        ("train", "Validation", "test"),
        ("training", "dev", "testing"),
    ],
)
def test_given_splits_are_used_under_the_names_that_people_give_them(
    class_folders: Any, train: str, name: str, test: str
) -> None:
    counts = {f"{train}/rose": 4, f"{train}/tulip": 3, f"{name}/rose": 2, f"{name}/tulip": 1, f"{test}/rose": 2}
    folder = class_folders(counts)
    data = AutoDataset(folder)
    opened = data.open()
    assert opened.facts.num_rows == {"train": 7, "validation": 3, "test": 2}
    assert opened.train.targets.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert opened.validation.targets.tolist() == [0, 0, 1]
    assert opened.test.targets.tolist() == [0, 0]
    assert not any("No validation data" in note for note in data.notes)


def test_validation_and_test_may_lie_elsewhere(class_folders: Any) -> None:
    train, validation = class_folders({"rose": 4, "tulip": 3}), class_folders({"rose": 2}, "more")
    data = AutoDataset(train, validation=validation)
    assert data.open().facts.num_rows == {"train": 7, "validation": 2}
    assert "The validation data has no image of 'tulip'." in data.notes
    split = train.with_name("split")
    shutil.copytree(train, split / "train")
    shutil.copytree(validation, split / "val")
    assert AutoDataset(split).fingerprint == data.fingerprint
    with pytest.raises(DataError, match="has its own 'validation' folder, so leave out validation="):
        AutoDataset(split, validation=validation)
    with pytest.raises(DataError, match=r"training data is a folder, so test= needs one too, got tuple"):
        AutoDataset(train, test=([1], [2]))


def test_a_train_folder_without_validation_is_split(class_folders: Any) -> None:
    folder = class_folders({"train/rose": 8, "train/tulip": 2, "test/tulip": 3})
    assert AutoDataset(folder).open().facts.num_rows == {"train": 8, "validation": 2, "test": 3}


def test_a_class_may_be_called_train(class_folders: Any) -> None:
    assert AutoDataset(class_folders({"train": 2, "bus": 2, "car": 2})).labels == ("bus", "car", "train")


def test_other_files_are_passed_over_and_counted(class_folders: Any) -> None:
    folder = class_folders({"rose": 2, "tulip": 2, "tulip/more": 3, ".hidden": 2})
    for name in ("rose/Thumbs.db", "rose/.DS_Store", "tulip/notes.txt", "readme.txt"):
        (folder / name).write_text("text")
    shutil.copy(folder / "rose/000.png", folder / "loose.PNG")
    data = AutoDataset(folder)
    assert data.open().facts.num_rows == {"train": 2, "validation": 2}
    assert data.notes[1] == (
        "Ignored 3 files that are not images, 1 hidden file, 3 files in folders below class folders, "
        "1 image outside the class folders."
    )


def test_the_fingerprint_is_of_the_content(class_folders: Any, tmp_path: Path) -> None:
    folder = class_folders({"rose": 3, "tulip": 3})
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    first = AutoDataset(folder).fingerprint
    assert AutoDataset(moved, seed=5).fingerprint == first
    changed = {first}
    shutil.copy(moved / "rose/000.png", moved / "rose/new.png")
    changed.add(AutoDataset(moved).fingerprint)
    (moved / "rose/new.png").rename(moved / "tulip/new.png")
    changed.add(AutoDataset(moved).fingerprint)
    Image.new("L", (3, 3)).save(moved / "tulip/new.png")
    changed.add(AutoDataset(moved).fingerprint)
    assert len(changed) == 4


@pytest.mark.row_part("DA9")
def test_each_image_is_decoded_once_however_often_the_data_is_prepared_and_opened(
    class_folders: Any, tmp_path: Path, decoded: list[str]
) -> None:
    folder = class_folders({"rose": 40, "tulip": 30})
    for _ in range(3):
        ref = AutoDataset(folder).prepare(tmp_path / "cache")
        for _ in range(3):
            ref.open()
    assert Counter(decoded) == Counter(str(path) for path in folder.rglob("*.png"))


def test_other_image_settings_are_prepared_beside(class_folders: Any, tmp_path: Path) -> None:
    folder = class_folders({"rose": 4, "tulip": 4}, mode="RGB")
    shapes = [
        AutoDataset(folder, preparation=preparation).prepare(tmp_path / "cache").open().facts.input_shape
        for preparation in (None, ImagePreparation(channels=1), ImagePreparation(size=(3, 4)))
    ]
    assert shapes == [(3, 6, 5), (1, 6, 5), (3, 3, 4)]
    assert len(os.listdir(tmp_path / "cache")) == 3


def test_the_size_is_chosen_from_training_images_only(class_folders: Any) -> None:
    class_folders({"train/rose": 3, "train/tulip": 3})
    folder = class_folders({"val/rose": 9}, size=(20, 30))
    assert AutoDataset(folder).open().facts.input_shape == (1, 6, 5)


def test_statistics_are_of_training_rows_only(class_folders: Any) -> None:
    folder = class_folders({"train/rose": 3, "train/tulip": 2, "val/rose": 2}, mode="RGB")
    data = AutoDataset(folder).open()
    rows = data.train.inputs.double()
    np.testing.assert_allclose(data.facts.statistics["mean"], rows.mean((0, 2, 3)))
    np.testing.assert_allclose(data.facts.statistics["std"], rows.std((0, 2, 3), correction=0))
    assert data.facts.statistics["class_counts"] == [3, 2]


def test_a_raw_item_is_prepared_like_training(class_folders: Any) -> None:
    folder = class_folders({"rose": 4, "tulip": 4}, mode="RGB")
    data = AutoDataset(folder, preparation=ImagePreparation(size=(3, 3))).open()
    preparation = preparation_from_json(data.facts.preparation)
    everything = torch.cat([data.train.inputs, data.validation.inputs])
    for path in folder.rglob("*.png"):
        assert (everything == preparation.apply(path)).flatten(1).all(1).sum() == 1


def test_labelled_folders_use_the_labels_and_preparation_of_training(class_folders: Any, tmp_path: Path) -> None:
    facts = AutoDataset(class_folders({"lily": 2, "rose": 4, "tulip": 4})).open().facts
    held_out = class_folders({"tulip": 1, "rose": 2}, "held_out", size=(9, 9))
    examples = labelled(held_out, facts).examples
    assert examples.inputs.shape == (3, 1, 6, 5)
    assert examples.targets.tolist() == [1, 1, 2]
    assert labelled((examples.inputs, ["rose", "rose", "tulip"]), facts).examples.targets.tolist() == [1, 1, 2]
    with pytest.raises(
        DataError, match=r"held_out data must occur in the training data, .* it never saw 'daisy', 'oak'"
    ):
        labelled(class_folders({"daisy": 1, "oak": 1}, "held_out"), facts)
    (held_out / "rose" / "000.png").write_text("text")
    shutil.rmtree(held_out / "daisy"), shutil.rmtree(held_out / "oak")
    with pytest.raises(DataError, match=r"held_out/rose/000\.png cannot be read as an image"):
        labelled(held_out, facts)
    with pytest.raises(DataError, match="There is no folder"):
        labelled(tmp_path / "nowhere", facts)
    parts = class_folders({"train/rose": 1, "test/rose": 1}, "parts")
    with pytest.raises(
        DataError, match=r"has parts, 'test', 'train', and one of them is needed\. Pass its folder, .*test\."
    ):
        labelled(parts, facts)
    arrays = AutoDataset((np.ones((4, 2)), [0, 1, 0, 1])).open().facts
    with pytest.raises(DataError, match="was not trained on class folders"):
        labelled(held_out, arrays)
