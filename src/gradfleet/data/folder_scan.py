"""Which images a folder holds and of which class, by the names of its folders; nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradfleet.data.image_files import IMAGE_SUFFIXES
from gradfleet.data.problems import counted, listed, shortened
from gradfleet.errors import DataError

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_READ = "a folder, a table (.csv, .tsv, .jsonl, .json, .parquet), or an archive (.zip, .tar, .tar.gz)"
_LAYOUT = "Put the images of each class into a folder of its own: {0}/<class>/<image>."


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image; `name` is its path below the folder of its part, with forward slashes."""

    path: Path
    name: str
    label: str


@dataclass(slots=True)
class Ignored:
    """How many files were passed over."""

    not_images: int = 0
    hidden: int = 0
    nested: int = 0
    loose: int = 0

    def notes(self) -> list[str]:
        """One sentence, or none when nothing was passed over."""
        said = [
            counted(self.not_images, "file that is not an image", "files that are not images"),
            counted(self.hidden, "hidden file"),
            counted(self.nested, "file in a folder below a class folder", "files in folders below class folders"),
            counted(self.loose, "image outside the class folders", "images outside the class folders"),
        ]
        numbers = (self.not_images, self.hidden, self.nested, self.loose)
        told = [text for number, text in zip(numbers, said, strict=True) if number]
        return [f"Ignored {', '.join(told)}."] if told else []


def scan(root: Path, parts: Mapping[str, Any]) -> tuple[dict[str, list[ImageFile]], Ignored]:
    """The images of each part, sorted by name: those of the folder's own splits and of the folders in `parts`.

    Raises:
        DataError: a folder is missing or has not the layout of class folders.
    """
    folders = split_folders(root)
    if twice := folders.keys() & parts.keys():
        raise DataError(f"{root} has its own {listed(sorted(twice))} folder, so leave out {', '.join(sorted(twice))}=.")
    for part, given in parts.items():
        if not isinstance(given, str | os.PathLike):
            raise DataError(f"The training data is a folder, so {part}= needs one too, got {type(given).__name__}.")
        folders[part] = Path(given)
    ignored, files, problems = Ignored(), {}, list[str]()
    for part, folder in folders.items():
        try:
            files[part] = scan_classes(folder, ignored)
        except DataError as problem:
            problems += problem.problems
    if problems:
        raise DataError(problems)
    return files, ignored


def scan_classes(folder: Path, ignored: Ignored) -> list[ImageFile]:
    """The images of a folder of class folders, sorted by class and name.

    Raises:
        DataError: there is no such folder, it has no class folders, or one of them is empty.
    """
    _check_folder(folder)
    classes, loose = _entries(folder, ignored)
    if not classes and loose:
        raise DataError(f"{folder} holds {counted(len(loose), 'image')} but no class folders. {_LAYOUT.format(folder)}")
    if not classes:
        raise DataError(f"{folder} has no images. {_LAYOUT.format(folder)}")
    ignored.loose += len(loose)
    files, problems = [], []
    for class_folder in classes:
        below, images = _entries(class_folder, ignored)
        num_nested = sum(len(names) for one in below for _, _, names in os.walk(one))
        ignored.nested += num_nested
        if not images:
            problems.append(_empty(class_folder, num_nested))
        files += [ImageFile(image, f"{class_folder.name}/{image.name}", class_folder.name) for image in images]
    if not files:
        raise DataError(f"{folder} has no images in its class folders. {_LAYOUT.format(folder)}")
    if problems:
        raise DataError(shortened(problems, "class folders are empty"))
    return files


def _empty(folder: Path, num_nested: int) -> str:
    deeper = f" of its own ({counted(num_nested, 'file')} lie deeper)" if num_nested else ""
    return f"The class folder {folder} has no image{deeper}. Add images of this class, or remove the folder."


def split_folders(root: Path) -> dict[str, Path]:
    """The folder of each part, where the root's folders are called train, val, test; else the root as training data."""
    _check_folder(root)
    folders, _ = _entries(root, Ignored())
    named = [folder for folder in folders if folder.name.lower() in _SPLITS]
    others = [folder.name for folder in folders if folder not in named]
    parts = {_SPLITS[folder.name.lower()]: folder for folder in named}
    if not parts or (others and len(parts) == 1):
        return {"train": root}  # a class may be called "train" among others
    if others:
        raise DataError(
            f"{root} has the split folders {listed(folder.name for folder in named)} and beside them {listed(others)}, "
            "so it is not clear which folders are classes. Keep only split folders, or only class folders."
        )
    if len(parts) < len(named) or "train" not in parts:
        raise DataError(
            f"{root} needs one train folder and at most one val and one test folder beside it, "
            f"got {listed(folder.name for folder in named)}."
        )
    return parts


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise DataError(f"There is no folder {folder}. Pass the path of a folder of class folders of images.")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file of no kind that is read. Pass {_READ}. {_LAYOUT.format('<folder>')}")


def _entries(folder: Path, ignored: Ignored) -> tuple[list[Path], list[Path]]:
    """The folders and the images in `folder`, sorted; hidden entries and other files are counted."""
    folders, images = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                ignored.hidden += entry.is_file()
            elif entry.is_dir():
                folders.append(folder / entry.name)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
                images.append(folder / entry.name)
            else:
                ignored.not_images += 1
    return sorted(folders), sorted(images)
