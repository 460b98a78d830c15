"""Which images or texts a folder holds and of which class, by the names of its folders; nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradfleet.data.image_files import IMAGE_SUFFIXES
from gradfleet.data.part_names import PART_NAMES
from gradfleet.data.problems import counted, listed, shortened
from gradfleet.errors import DataError

_READ = "a folder, a table (.csv, .tsv, .jsonl, .json, .parquet), or an archive (.zip, .tar, .tar.gz)"
_LAYOUT = "Put the {0}s of each class into a folder of its own: {1}/<class>/<{0}>."


@dataclass(frozen=True, slots=True)
class FileKind:
    """What class folders are full of.

    Attributes:
        noun: what one is called; `one`: the same with its article.
        suffixes: of the names of such files.
    """

    noun: str
    one: str
    suffixes: frozenset[str]

    def has(self, name: str) -> bool:
        return os.path.splitext(name)[1].lower() in self.suffixes

    def layout(self, folder: object) -> str:
        """How a folder of them needs to look."""
        return _LAYOUT.format(self.noun, folder)


IMAGES = FileKind("image", "an image", IMAGE_SUFFIXES)
TEXTS = FileKind("text", "a text", frozenset([".txt"]))


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """One image or text; `name` is its path below the folder of its part, with forward slashes."""

    path: Path
    name: str
    label: str


@dataclass(slots=True)
class Ignored:
    """How many files were passed over where those of a kind were looked for."""

    kind: FileKind = IMAGES
    others: int = 0
    hidden: int = 0
    nested: int = 0
    loose: int = 0

    def notes(self) -> list[str]:
        """One sentence, or none when nothing was passed over."""
        noun, one = self.kind.noun, self.kind.one
        said = [
            counted(self.others, f"file that is not {one}", f"files that are not {noun}s"),
            counted(self.hidden, "hidden file"),
            counted(self.nested, "file in a folder below a class folder", "files in folders below class folders"),
            counted(self.loose, f"{noun} outside the class folders", f"{noun}s outside the class folders"),
        ]
        numbers = (self.others, self.hidden, self.nested, self.loose)
        told = [text for number, text in zip(numbers, said, strict=True) if number]
        return [f"Ignored {', '.join(told)}."] if told else []


def scan(root: Path, parts: Mapping[str, Any]) -> tuple[dict[str, list[LabelledFile]], Ignored]:
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


def scan_classes(folder: Path, ignored: Ignored) -> list[LabelledFile]:
    """The files in a folder of class folders, of the kind that is not `ignored`, sorted by class and name.

    Raises:
        DataError: there is no such folder, it has no class folders, or one of them is empty.
    """
    _check_folder(folder)
    kind = ignored.kind
    classes, loose = _entries(folder, ignored)
    if not classes and loose:
        held = counted(len(loose), kind.noun)
        raise DataError(f"{folder} holds {held} but no class folders. {kind.layout(folder)}")
    if not classes:
        raise DataError(f"{folder} has no {kind.noun}s. {kind.layout(folder)}")
    ignored.loose += len(loose)
    files, problems = [], []
    for class_folder in classes:
        below, found = _entries(class_folder, ignored)
        num_nested = sum(len(names) for one in below for _, _, names in os.walk(one))
        ignored.nested += num_nested
        if not found:
            problems.append(_empty(class_folder, num_nested, kind))
        files += [LabelledFile(file, f"{class_folder.name}/{file.name}", class_folder.name) for file in found]
    if not files and not ignored.nested:
        raise DataError(f"{folder} has no {kind.noun}s in its class folders. {kind.layout(folder)}")
    if problems:
        raise DataError(shortened(problems, "class folders are empty"))
    return files


def holds_texts(folders: Iterable[Path]) -> bool:
    """Whether more of the files in and below these folders are texts than images."""
    texts = images = 0
    for folder in folders:
        for _, below, names in os.walk(folder):
            below[:] = [name for name in below if not _is_hidden(name)]
            texts += sum(map(TEXTS.has, names))
            images += sum(map(IMAGES.has, names))
    return texts > images


def _empty(folder: Path, num_nested: int, kind: FileKind) -> str:
    deeper = f" of its own ({counted(num_nested, 'file lies', 'files lie')} deeper)" if num_nested else ""
    return (
        f"The class folder {folder} has no {kind.noun}{deeper}. Add {kind.noun}s of this class, or remove the folder."
    )


def split_folders(root: Path) -> dict[str, Path]:
    """The folder of each part, where the root's folders are called train, val, test; else the root as training data."""
    _check_folder(root)
    folders, _ = _entries(root, Ignored())
    named = [folder for folder in folders if folder.name.lower() in PART_NAMES]
    others = [folder.name for folder in folders if folder not in named]
    parts = {PART_NAMES[folder.name.lower()]: folder for folder in named}
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


def refuse_parts(folder: Path, labels: Iterable[str]) -> None:
    """
    Raises:
        DataError: the folders in it are no classes but parts, such as train and test.
    """
    _check_folder(folder)
    names = [one.name for one in _entries(folder, Ignored())[0]]
    if names and not set(names) <= set(labels) and all(name.lower() in PART_NAMES for name in names):
        raise DataError(
            f"{folder} has parts, {listed(names)}, and one of them is needed. Pass its folder, {folder / names[0]}."
        )


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise DataError(f"There is no folder {folder}. Pass the path of a folder of class folders of images.")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file of no kind that is read. Pass {_READ}. {IMAGES.layout('<folder>')}")


def _entries(folder: Path, ignored: Ignored) -> tuple[list[Path], list[Path]]:
    """The folders in `folder` and its files of the kind in question, sorted; other files are counted."""
    folders, found = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_hidden(entry.name):
                ignored.hidden += entry.is_file()
            elif entry.is_dir():
                folders.append(folder / entry.name)
            elif ignored.kind.has(entry.name):
                found.append(folder / entry.name)
            else:
                ignored.others += 1
    return sorted(folders), sorted(found)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
