"""What is wrong with a folder is said in one error, before anything is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from gradfleet.data.dataset import AutoDataset
from gradfleet.errors import DataError


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no folder .*nowhere\. Pass the path"):
        AutoDataset(tmp_path / "nowhere")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("a,b")
    with pytest.raises(DataError, match=r"data\.txt is a file of no kind that is read\. Pass a folder, a table"):
        AutoDataset(tmp_path / "data.txt")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"has no images\. Put the images of each class into a folder of its own: .*<class>"
    ):
        AutoDataset(tmp_path)


def test_class_folders_without_any_image(class_folders: Any) -> None:
    folder = class_folders({"rose": 0, "tulip": 0})
    (folder / "rose" / "a.md").write_text("text")
    with pytest.raises(DataError, match="has no images in its class folders"):
        AutoDataset(folder)


def test_images_without_class_folders(class_folders: Any) -> None:
    folder = class_folders({"rose": 3}) / "rose"
    with pytest.raises(DataError, match="rose holds 3 images but no class folders"):
        AutoDataset(folder)


@pytest.mark.row("DA10")
def test_one_class_only(class_folders: Any) -> None:
    with pytest.raises(DataError, match="at least two classes, got one: 'rose'. Add a folder of another class"):
        AutoDataset(class_folders({"rose": 3}))


@pytest.mark.row("DA10")
def test_classes_with_one_image(class_folders: Any) -> None:
    with pytest.raises(DataError, match=r"A class needs at least two images.*these have fewer: 'rose', 'tulip'"):
        AutoDataset(class_folders({"lily": 5, "rose": 1, "tulip": 1}))


def test_a_class_with_one_image_will_do_beside_validation_data(class_folders: Any) -> None:
    facts = AutoDataset(class_folders({"train/lily": 5, "train/rose": 1, "val/lily": 1})).open().facts
    assert (facts.labels, dict(facts.num_rows)) == (("lily", "rose"), {"train": 6, "validation": 1})


@pytest.mark.row("DA10")
def test_empty_class_folders_are_all_named(class_folders: Any) -> None:
    folder = class_folders({"lily": 5, "rose": 0, "tulip": 0, "tulip/more": 2})
    with pytest.raises(DataError) as caught:
        AutoDataset(folder)
    assert caught.value.problems == (
        f"The class folder {folder / 'rose'} has no image. Add images of this class, or remove the folder.",
        f"The class folder {folder / 'tulip'} has no image of its own (2 files lie deeper). "
        "Add images of this class, or remove the folder.",
    )


@pytest.mark.row("DA10")
def test_a_validation_class_that_training_never_saw(class_folders: Any) -> None:
    with pytest.raises(DataError, match="label of the validation data must occur .* it never saw 'tulip'"):
        AutoDataset(class_folders({"train/lily": 2, "train/rose": 2, "val/tulip": 1}))


def test_split_folders_among_class_folders(class_folders: Any) -> None:
    with pytest.raises(DataError, match="split folders 'train', 'val' and beside them 'rose', so it is not clear"):
        AutoDataset(class_folders({"train/lily": 2, "val/lily": 2, "rose": 1}))


@pytest.mark.parametrize("names", [["test", "val"], ["train", "val", "valid"]])
def test_split_folders_that_do_not_make_a_split(class_folders: Any, names: list[str]) -> None:
    with pytest.raises(DataError, match="needs one train folder and at most one val and one test folder"):
        AutoDataset(class_folders({f"{name}/{label}": 2 for name in names for label in ("lily", "rose")}))


def test_problems_of_several_parts_come_together(class_folders: Any) -> None:
    with pytest.raises(DataError, match="2 problems") as caught:
        AutoDataset(class_folders({"train/lily": 2, "train/rose": 0, "val": 2}))
    assert "class folder" in caught.value.problems[0]
    assert "val holds 2 images but no class folders" in caught.value.problems[1]


def spoil(folder: Path) -> list[str]:
    """Spoil images in every way that there is; their paths, sorted."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(pixels).save(folder / "rose" / "half.png")
    whole = (folder / "rose" / "half.png").read_bytes()
    (folder / "rose" / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "rose" / "text.png").write_text("this is text")
    (folder / "tulip" / "empty.jpg").write_bytes(b"")
    Image.new("L", (1, 1)).save(folder / "tulip" / "tiny.png")
    return sorted(
        str(folder / name) for name in ("rose/half.png", "rose/text.png", "tulip/empty.jpg", "tulip/tiny.png")
    )


@pytest.mark.row("DA10")
def test_unusable_images_are_all_named_and_nothing_remains(class_folders: Any, tmp_path: Path) -> None:
    folder = class_folders({"rose": 5, "tulip": 5})
    spoiled = spoil(folder)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DataError) as caught:
        AutoDataset(folder).prepare(tmp_path / "cache" / "deep")
    assert sorted(problem.split(" ")[0] for problem in caught.value.problems[:-1]) == spoiled
    assert caught.value.problems[-1] == 'Repair or remove them, or pass on_bad_rows="skip" to leave them out.'
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.row("DA10")
def test_unusable_images_are_left_out_when_asked_and_listed(
    class_folders: Any, tmp_path: Path, decoded: list[str]
) -> None:
    folder = class_folders({"rose": 5, "tulip": 5})
    sound = sorted(np.asarray(Image.open(path)).tobytes() for path in folder.rglob("*.png"))
    decoded.clear()
    spoiled = spoil(folder)
    data = AutoDataset(folder, on_bad_rows="skip")
    opened = data.prepare(tmp_path / "cache").open()
    said = next(note for note in data.notes if note.startswith("Left out 4 images: "))
    assert all(path in said for path in spoiled)
    kept = [*opened.train.inputs, *opened.validation.inputs]
    assert sorted(image.numpy().tobytes() for image in kept) == sound
    assert len(decoded) == len(set(decoded))
    assert sorted(os.listdir(Path(data.prepare(tmp_path / "cache").place))) == [
        "inputs.npy",
        "manifest.json",
        "targets.npy",
    ]


def test_what_is_left_out_changes_no_split_whether_a_folder_or_a_table_names_the_images(class_folders: Any) -> None:
    folder = class_folders({"rose": 10, "tulip": 10})
    for number in (1, 4, 5, 8):
        (folder / "tulip" / f"{number:03}.png").write_text("text")
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.png"))
    pandas.DataFrame({"image": map(str, names), "label": [one.parent.name for one in names]}).to_csv(
        folder.with_name("flowers.csv"), index=False
    )
    opened = [AutoDataset(one, on_bad_rows="skip").open() for one in (folder, folder.with_name("flowers.csv"))]
    assert opened[0].facts.num_rows == opened[1].facts.num_rows == {"train": 12, "validation": 4}
    assert (opened[0].validation.inputs == opened[1].validation.inputs).all()


@pytest.mark.row("DA10")
@pytest.mark.parametrize("kind", ["folder", "table"])
def test_a_class_without_a_training_image_that_can_be_read_is_named(class_folders: Any, kind: str) -> None:
    folder = class_folders({"rose": 5, "tulip": 5})
    pandas.DataFrame(
        {
            "image": [f"{label}/00{n}.png" for label in ("rose", "tulip") for n in range(5)],
            "label": ["a"] * 5 + ["b"] * 5,
        }
    ).to_csv(folder.with_name("flowers.csv"), index=False)
    for path in (folder / "rose").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    data = AutoDataset(folder if kind == "folder" else folder.with_name("flowers.csv"), on_bad_rows="skip")
    label, noun = ("rose", "image") if kind == "folder" else ("a", "row")
    with pytest.raises(DataError, match=rf"No training {noun} can be read in the classes '{label}'\. Add some\."):
        data.open()


def test_a_class_that_validation_loses_is_told(class_folders: Any) -> None:
    folder = class_folders({"train/rose": 2, "train/tulip": 2, "val/rose": 1, "val/tulip": 1})
    (folder / "val/rose/000.png").write_text("text")
    data = AutoDataset(folder, on_bad_rows="skip")
    assert data.open().facts.num_rows == {"train": 4, "validation": 1}
    assert "The validation data has no image of 'rose' left." in data.notes


@pytest.mark.row("DA10")
@pytest.mark.parametrize("form", ["lists", "columns"])
def test_a_label_of_several_without_a_row_that_can_be_read_is_named_where_it_trains_and_told_where_it_validates(
    class_folders: Any, form: str
) -> None:
    folder = class_folders({"all": 8})
    names = [f"all/{number:03}.png" for number in range(8)]
    labels = [["red"], ["red", "rose"], ["red"], ["rose"]] * 2
    frame = pandas.DataFrame({"image": [str(folder / name) for name in names]})
    target: Any = "labels"
    if form == "lists":
        frame["labels"] = labels
    else:
        target = ["red", "rose"]
        frame = frame.assign(**{name: [int(name in row) for row in labels] for name in target})
    for number in (5, 7):
        (folder / names[number]).write_text("text")
    train, held = frame[:4], frame[4:]
    data = AutoDataset(train, validation=held, target=target, on_bad_rows="skip")
    assert data.open().facts.num_rows == {"train": 4, "validation": 2}
    assert "The validation data has no row of 'rose' left." in data.notes
    lost = AutoDataset(held, validation=train, target=target, on_bad_rows="skip")
    with pytest.raises(DataError, match=r"No training row can be read that has one of the labels 'rose'\. Add some\."):
        lost.open()


def test_more_than_ten_are_counted(class_folders: Any) -> None:
    folder = class_folders({"rose": 15, "tulip": 5})
    for path in (folder / "rose").iterdir():
        path.write_text("text")
    with pytest.raises(DataError) as caught:
        AutoDataset(folder).open()
    assert len(caught.value.problems) == 12
    assert caught.value.problems[10] == "5 more images cannot be used."
    assert str(caught.value).startswith("15 problems:\n- ")
    assert str(caught.value).endswith('\nRepair or remove them, or pass on_bad_rows="skip" to leave them out.')


def test_advice_is_no_problem_of_its_own(class_folders: Any) -> None:
    folder = class_folders({"rose": 3, "tulip": 3})
    (folder / "rose" / "000.png").write_text("text")
    with pytest.raises(DataError, match=r"^\S+000\.png cannot be read as an image: .* known\. Repair or remove them"):
        AutoDataset(folder).open()


def test_skipping_every_image_is_an_error(class_folders: Any) -> None:
    folder = class_folders({"rose": 2, "tulip": 2})
    for path in folder.rglob("*.png"):
        path.write_text("text")
    with pytest.raises(DataError, match=r"None of the 2 training images can be read, beginning with '.*rose/00"):
        AutoDataset(folder, on_bad_rows="skip").open()


def test_a_given_part_that_loses_every_image_is_an_error(class_folders: Any) -> None:
    folder = class_folders({"train/rose": 2, "train/tulip": 2, "val/rose": 1})
    (folder / "val/rose/000.png").write_text("text")
    with pytest.raises(DataError, match="The validation data has no image that can be read"):
        AutoDataset(folder, on_bad_rows="skip").open()


@pytest.mark.row("DA10")
def test_links_to_nothing_and_files_that_vanish_are_named_or_left_out(class_folders: Any) -> None:
    folder = class_folders({"rose": 5, "tulip": 5})
    (folder / "rose" / "link.png").symlink_to(folder / "gone.png")
    data, left_out = AutoDataset(folder), AutoDataset(folder, on_bad_rows="skip")
    (folder / "tulip" / "002.png").unlink()
    with pytest.raises(DataError) as caught:
        data.open()
    link, vanished = sorted(caught.value.problems[:-1])
    assert link.endswith(
        f"rose/link.png cannot be read as an image: it is a link to {folder}/gone.png, and there is nothing there."
    )
    assert vanished.endswith("tulip/002.png cannot be read as an image: No such file or directory.")
    assert sum(left_out.open().facts.num_rows.values()) == 9
    assert any(note.startswith("Left out 2 images: ") for note in left_out.notes)


def test_a_huge_image_is_named(class_folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = class_folders({"rose": 2, "tulip": 2})
    Image.new("1", (100, 100)).save(folder / "rose" / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(
        DataError, match=r"rose/huge\.png cannot be read as an image: it has more than the 1,000 pixels"
    ):
        AutoDataset(folder).open()


@pytest.mark.row("DA10")
def test_images_that_train_and_validate_are_counted_and_said(class_folders: Any) -> None:
    folder = class_folders({"train/rose": 4, "train/tulip": 4, "val/rose": 3, "val/tulip": 3})
    (folder / "val" / "rose" / "again.png").write_bytes((folder / "train" / "tulip" / "000.png").read_bytes())
    data = AutoDataset(folder)
    data.open()
    assert "1 image of the 7 that validate occurs among the training images too" in " ".join(data.notes)
