"""Values given on the command line: `search.trials=40` goes before what the file says."""

from __future__ import annotations

from collections.abc import Iterable

from gradfleet.errors import Problems, SettingError
from gradfleet.sweeps.document import Document, Key, scalar
from gradfleet.sweeps.spec import RangeSpec


def overridden(document: Document, overrides: Iterable[str]) -> Document:
    """The document with each `key=value` set; the value is read as in a file, and the last of one key counts.

    A key is dotted: `name`, `search.trials`, `options.on_bad_rows`. A dimension's own name has dots too:
    `space.optimizer.adamw.learning_rate=1e-3` fixes it, `space.optimizer.adamw.learning_rate.high=1e-2` sets one end.

    Raises:
        SettingError: an override is no `key=value`, or its value is no YAML; all of them are listed.
    """
    problems = Problems()
    for override in overrides:
        with problems:
            key, text = _parted(override)
            document = document.with_value(key, scalar(text), place=override)
    problems.refuse()
    return document


def _parted(override: str) -> tuple[Key, str]:
    dotted, equals, text = override.partition("=")
    if not equals or not all(dotted.split(".")):
        raise SettingError(f"An override is KEY=VALUE, such as search.trials=40; got {override!r}.")
    section, _, name = dotted.partition(".")
    if section != "space" or not name:
        return (section, *([name] if name else [])), text
    dimension, _, setting = name.rpartition(".")
    if dimension and setting in RangeSpec.model_fields:
        return (section, dimension, setting), text
    return (section, name), text
