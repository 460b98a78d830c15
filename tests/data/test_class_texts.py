"""Class folders of text files: what is read, what is passed over and said, and what is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from gradfleet.data.dataset import AutoDataset
from gradfleet.errors import DataError

TEXTS = [f"film {number}, so good" for number in range(12)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six texts of each of two classes."""
    for number, text in enumerate(TEXTS):
        place = tmp_path / "films" / ("neg", "pos")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:02}.txt").write_text(text)
    return tmp_path / "films"


def texts_of(data: AutoDataset) -> list[str]:
    opened = data.open()
    return sorted([*opened.train.inputs.texts, *opened.validation.inputs.texts])


@pytest.mark.row("DA1")
def test_class_folders_of_texts_are_a_table(folder: Path) -> None:
    data = AutoDataset(folder)
    assert data.labels == ("neg", "pos")
    assert data.notes[0] == "From 'text' the model learns 'label'."
    assert texts_of(data) == sorted(TEXTS)


def test_names_in_capitals_and_byte_order_marks_make_no_difference(folder: Path) -> None:
    (folder / "neg" / "00.txt").rename(folder / "neg" / "00.TXT")
    (folder / "pos" / "01.txt").write_text(TEXTS[1], "utf-8-sig")
    (folder / "pos" / "03.txt").write_text(TEXTS[3], "utf-16")
    assert texts_of(AutoDataset(folder)) == sorted(TEXTS)


def test_other_files_are_passed_over_and_counted(folder: Path) -> None:
    (folder / "neg" / "more").mkdir()
    (folder / "neg" / "more" / "99.txt").write_text("deeper")
    (folder / "pos" / "notes.md").write_text("no text of this class")
    (folder / "readme.txt").write_text("about the films")
    Image.new("L", (4, 4)).save(folder / "pos" / "poster.png")
    assert AutoDataset(folder).notes[0] == (
        "Ignored 2 files that are not texts, 1 file in a folder below a class folder, 1 text outside the class folders."
    )


def test_class_folders_of_images_with_a_text_each_are_images(folder: Path) -> None:
    for path in folder.rglob("*.txt"):
        Image.new("L", (4, 4)).save(path.with_suffix(".png"))
    assert AutoDataset(folder).form == "images"


@pytest.mark.row("DA10")
def test_an_empty_class_folder_is_named(folder: Path) -> None:
    (folder / "none").mkdir()
    with pytest.raises(DataError, match=r"The class folder .*films/none has no text\. Add texts of this class"):
        AutoDataset(folder)
    (folder / "none" / "more").mkdir()
    (folder / "none" / "more" / "1.txt").write_text("deeper")
    with pytest.raises(DataError, match=r"none has no text of its own \(1 file lies deeper\)"):
        AutoDataset(folder)


def test_texts_without_class_folders(folder: Path) -> None:
    with pytest.raises(DataError, match=r"neg holds 6 texts but no class folders\. Put the texts of each class into"):
        AutoDataset(folder / "neg")


@pytest.mark.row("DA10")
def test_texts_that_cannot_be_read_are_all_named_or_left_out(folder: Path) -> None:
    (folder / "neg" / "02.txt").write_text("caf\xe9", "latin-1")
    (folder / "pos" / "link.txt").symlink_to(folder / "gone.txt")
    with pytest.raises(DataError) as caught:
        AutoDataset(folder)
    assert caught.value.problems[:-1] == (
        f"{folder}/neg/02.txt is not UTF-8 (byte 0xe9). Save it as UTF-8.",
        f"{folder}/pos/link.txt cannot be read: No such file or directory.",
    )
    data = AutoDataset(folder, on_bad_rows="skip")
    assert texts_of(data) == sorted({*TEXTS} - {TEXTS[2]})
    assert data.notes[0].startswith("Left out 2 texts: ")
    for path in (folder / "neg").iterdir():
        path.write_bytes(b"\xe9")
    with pytest.raises(DataError, match=r"No text can be read in the class folders 'neg' of .*films\. Add some\."):
        AutoDataset(folder, on_bad_rows="skip")
