"""A YAML file as plain values, with the place of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from gradfleet.errors import NotFoundError, SettingError

MAX_BYTES = 100_000
"""A sweep is a page of text; what is longer is none, and YAML of a megabyte takes half a minute to read."""

MAX_DEPTH = 20
"""Mappings and lists inside each other; no sweep comes near it."""

MAX_VALUES = 2_000
"""Names and values together; each takes half a millisecond to read."""

Key = tuple[str | int, ...]
"""The way to a value: `("search", "trials")`."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. YAML 1.2, so `1e-5` is a number and `no` a word.

    Attributes:
        name: of the file, as errors show it.
        values: mappings, lists and scalars.
        places: where each value was said: `sweep.yaml:7:3`.
        typed: the same of values that go before the file: an override as it was typed.
    """

    name: str
    values: dict[str, Any]
    places: Mapping[Key, str] = field(default_factory=dict)
    typed: Mapping[Key, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Document:
        """The document in a file.

        Raises:
            NotFoundError: there is no such file.
            SettingError: it is too large, no YAML, or no mapping.
        """
        path = Path(path)
        if not path.is_file():
            raise NotFoundError(f"There is no sweep file {str(path)!r}. `gradfleet init {path}` writes one.")
        check_size(path.stat().st_size, str(path))
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise SettingError(f"{path} is not UTF-8 text: {error}.") from error
        return cls.parse(text, name=str(path))

    @classmethod
    def parse(cls, text: str, *, name: str = "sweep.yaml") -> Document:
        """The document that `text` is.

        Raises:
            SettingError: it is too long, no YAML or no mapping, has a key twice, uses an alias, nests too deep, or has
                too many values.
        """
        check_size(len(text), name)
        try:
            _refuse_traps(text, name)
            yaml = _yaml()
            root = yaml.compose(text)
            values = None if root is None else yaml.constructor.construct_document(root)
        except SettingError:
            raise
        except MarkedYAMLError as error:
            raise SettingError(f"{_place(name, error.problem_mark)}: {error.problem}.") from error
        except (YAMLError, ValueError, RecursionError) as error:
            raise SettingError(f"{name} cannot be read as YAML: {error}.") from error
        if not isinstance(values, dict):
            raise SettingError(f"{name} needs `key: value` lines at the top, got {type(values).__name__}.")
        return cls(name, values, dict(_places(root, name, ())))

    def where(self, key: Key) -> str:
        """Where the value, or what goes before the file inside of it, is said; when not, the nearest one around it."""
        while key:
            typed = [place for one, place in self.typed.items() if _is_in(one, key)]
            if typed or key in self.places:
                return " ".join(typed) or self.places[key]
            key = key[:-1]
        return self.name

    @contextmanager
    def blaming(self, key: Key) -> Iterator[None]:
        """A SettingError or NotFoundError of what is done inside says where `key` was said."""
        try:
            yield
        except NotFoundError as error:
            raise NotFoundError(f"{self.where(key)}: {error}") from error
        except SettingError as error:
            raise type(error)([f"{self.where(key)}: {problem}" for problem in error.problems]) from error

    def with_value(self, key: Key, value: Any, *, place: str) -> Document:
        """The same document with another value at `key`; what is missing on the way there is made.

        Raises:
            SettingError: something on the way is no mapping.
        """
        values = dict(self.values)
        inner: dict[str, Any] = values
        for step in map(str, key[:-1]):
            below = inner.get(step, {})
            if not isinstance(below, dict):
                raise SettingError(f"{place}: {step!r} is {below!r} in {self.name}, so nothing can be set inside it.")
            inner[step] = dict(below)
            inner = inner[step]
        inner[str(key[-1])] = value
        places, typed = (
            {one: said for one, said in known.items() if not _is_in(one, key)} for known in (self.places, self.typed)
        )
        return Document(self.name, values, places, {**typed, key: place})


def check_size(size: int, name: str) -> None:
    """Refuse a sweep of more than `MAX_BYTES`, before anything reads it.

    Raises:
        SettingError: it is too large.
    """
    if size > MAX_BYTES:
        raise SettingError(f"{name[:100]} has {size:,} bytes; a sweep has at most {MAX_BYTES:,}.")


def scalar(text: str) -> Any:
    """A value as it would be read in a file: `1e-5`, `[32, 64]`, `{low: 0.1}`.

    Raises:
        SettingError: it is no YAML.
    """
    values: Any = Document.parse(f"value: {text}", name=text).values["value"]
    return values


def _is_in(key: Key, outer: Key) -> bool:
    return key[: len(outer)] == outer


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


def _refuse_traps(text: str, name: str) -> None:
    """Refuse what is a line to write and gigabytes or minutes to read: aliases to aliases, brackets in brackets."""
    depth = values = 0
    for event in _yaml().parse(text):
        place = _place(name, event.start_mark)
        if isinstance(event, AliasEvent):
            raise SettingError(f"{place}: aliases (*{event.anchor}) are not read; write the value out.")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SettingError(f"{place}: a sweep file nests at most {MAX_DEPTH} deep.")
        values += isinstance(event, ScalarEvent)
        if values > MAX_VALUES:
            raise SettingError(f"{place}: a sweep file has at most {MAX_VALUES:,} names and values.")


def _places(node: Node | None, name: str, key: Key) -> Iterator[tuple[Key, str]]:
    if isinstance(node, MappingNode):
        for label, value in node.value:
            below = (*key, str(label.value))
            yield below, _place(name, label.start_mark)
            yield from _places(value, name, below)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield (*key, index), _place(name, value.start_mark)
            yield from _places(value, name, (*key, index))


def _place(name: str, mark: Any) -> str:
    return name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
