"""Texts in a prepared folder: the strings, and their tokens in every view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradfleet.data.language import TextInputs, TextPreparation, TextTargets
from gradfleet.data.ragged import Ragged, RaggedWriter, Strings

_AT_ONCE = 1024  # texts that are tokenized together


def write_texts(folder: Path, texts: Sequence[str], preparation: TextPreparation, name: str) -> None:
    """Write them as `name`, "inputs" or "targets", a thousand at a time."""
    views = {view: RaggedWriter(folder, _file(name, view), np.int32) for view in preparation.tokenizers}
    strings = RaggedWriter(folder, _file(name), np.uint8)
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        for text in some:
            strings.add(np.frombuffer(text.encode(), np.uint8))
        for view, writer in views.items():
            for row in preparation.encode(some, view):
                writer.add(np.array(row, np.int32))
    for writer in (strings, *views.values()):
        writer.close()


def open_texts(folder: Path, preparation: Mapping[str, Any], name: str) -> TextInputs | TextTargets:
    """What `write_texts` wrote, memory-mapped."""
    fitted = TextPreparation.from_json(preparation)
    tokens = {view: Ragged.open(folder, _file(name, view)) for view in fitted.tokenizers}
    texts = Strings(Ragged.open(folder, _file(name)))
    return fitted.held(tokens, texts) if name == "inputs" else fitted.held_targets(tokens, texts)


def _file(name: str, view: str = "") -> str:
    return f"{name}.{view}.tokens" if view else f"{name}.strings"
