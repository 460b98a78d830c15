"""Texts as token numbers: tokenized once, kept at their own lengths, padded to the longest of each batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from gradfleet.data import tokenizing
from gradfleet.data.fingerprint import of_json
from gradfleet.data.half_characters import whole
from gradfleet.data.ragged import Ragged, Strings
from gradfleet.data.rows_by_name import RowsByName
from gradfleet.data.tokenizing import PretrainedTokenizer, Tokenizer, TrainedTokenizer
from gradfleet.errors import DataError, SettingError, unknown_name

__all__ = ["PretrainedTokenizer", "TextInputs", "TextPreparation", "TextTargets", "TrainedTokenizer"]

IGNORED = -100
"""What pads the targets: torch's cross entropy does not count it."""

MOST_CHARACTERS = 1_000_000
"""Of one text that are tokenized; what follows could only be cut off anyway."""


@dataclass(frozen=True, slots=True)
class TextPreparation:
    """Texts as token numbers, and the texts themselves beside them.

    Several tokenizers may be named, where networks of one search need different ones: each text is then kept in each
    of these views, and `examples.inputs.seen_as(name)` chooses one. The first is what `examples` are seen as.

    Attributes:
        tokenizers: by the name of their view.
        max_length: tokens of a text that are kept; 256 hold a paragraph or two, and most encoders take 512 at most.
        bucketed: whether training batches are made of texts of like length, which saves padding; the rows of an epoch
            are shuffled first, then sorted within every 64 batches, and the batches are shuffled again.

    Example:
        >>> preparation = TextPreparation().fit(["so good", "so bad"])
        >>> preparation.decode(preparation.apply("so good"))
        'so good'
    """

    tokenizers: Mapping[str, Tokenizer] = field(default_factory=lambda: {"trained": TrainedTokenizer()})
    max_length: int = 256
    bucketed: bool = True

    name: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        problems = []
        if self.max_length < 4:
            problems.append(f"A text needs at least 4 tokens, got max_length={self.max_length!r}.")
        if not self.tokenizers:
            problems.append("A TextPreparation needs at least one tokenizer, such as {'trained': TrainedTokenizer()}.")
        if problems:
            raise DataError(problems)

    @property
    def key(self) -> str:
        return of_json(self.to_json())

    @property
    def view(self) -> str:
        """The name of the first tokenizer."""
        return next(iter(self.tokenizers))

    def fit(self, examples: Sequence[Any]) -> TextPreparation:
        """Train the tokenizers that are to be trained, on the training texts alone, and read those that are not."""
        texts = [whole(text[:MOST_CHARACTERS]) for text in examples]
        return replace(self, tokenizers={name: one.fit(texts) for name, one in self.tokenizers.items()})

    def apply(self, example: Any) -> torch.Tensor:
        """The token numbers of one text in the first view, int64 (tokens,)."""
        return torch.tensor(self.encode([checked(example)], self.view)[0])

    def encode(self, texts: Sequence[str], view: str) -> list[list[int]]:
        """Token numbers of many texts."""
        return tokenizing.encode(self._tokenizer(view), [text[:MOST_CHARACTERS] for text in texts], self.max_length)

    def decode(self, numbers: torch.Tensor, view: str | None = None) -> str:
        """The text of a row of token numbers, without special tokens."""
        kept = numbers[numbers >= 0].tolist()
        return tokenizing.decode(self._tokenizer(view or self.view), [kept])[0]

    def inputs(self, texts: Sequence[Any]) -> TextInputs:
        """Texts as a model takes them.

        Raises:
            DataError: one of them is no string; it is named by its number.
        """
        known = [checked(text, number) for number, text in enumerate(texts)]
        tokens = {view: Ragged.of(self.encode(known, view)) for view in self.tokenizers}
        return self.held(tokens, Strings.of(known))

    def inputs_of_parts(self, texts: Sequence[Sequence[str]], view: str) -> TextInputs:
        """Texts that are given as parts, such as sentences, in this one view: as one text, cut at its longest.

        Each part has an end mark behind it where the tokenizer puts one.
        """
        start = self._tokenizer(view).start
        parts = iter(self.encode([part for text in texts for part in text], view))
        rows = [_joined([next(parts) for _ in text], start)[: self.max_length] for text in texts]
        return self.held({view: Ragged.of(rows)}, Strings.of(" ".join(text) for text in texts)).seen_as(view)

    def targets(self, texts: Sequence[Any]) -> TextTargets:
        """Texts that are to be written; as `inputs`."""
        read = self.inputs(texts)
        return self.held_targets(read.tokens, read.texts)

    def held(self, tokens: Mapping[str, Ragged], texts: Strings) -> TextInputs:
        """Texts that were tokenized before, as a model takes them."""
        paddings = {view: tokenizer.padding for view, tokenizer in self.tokenizers.items()}
        return TextInputs(tokens, texts, paddings, self.view, bucketed=self.bucketed)

    def held_targets(self, tokens: Mapping[str, Ragged], texts: Strings) -> TextTargets:
        """Texts that are to be written, tokenized before."""
        starts = {view: tokenizer.start for view, tokenizer in self.tokenizers.items()}
        paddings = {view: tokenizer.padding for view, tokenizer in self.tokenizers.items()}
        return TextTargets(tokens, texts, starts, paddings, self.view)

    def facts(self) -> dict[str, dict[str, int]]:
        """Of each view: its `vocabulary_size`, `padding_token`, `start_token` (of a decoder) and `max_length`."""
        return {
            view: {
                "vocabulary_size": tokenizing.vocabulary_size(tokenizer),
                "padding_token": tokenizer.padding,
                "start_token": tokenizer.start,
                "max_length": self.max_length,
            }
            for view, tokenizer in self.tokenizers.items()
        }

    def word_starts(self, view: str) -> torch.Tensor:
        """Which tokens begin a word behind a space, bool (vocabulary,)."""
        tokenizer = self._tokenizer(view)
        begins = torch.zeros(tokenizing.vocabulary_size(tokenizer), dtype=torch.bool)
        begins[tokenizing.word_starts(tokenizer)] = True
        return begins

    def to_json(self) -> dict[str, Any]:
        tokenizers = {view: tokenizing.to_json(one) for view, one in self.tokenizers.items()}
        return {
            "preparation": self.name,
            # A list keeps the order, of which the first counts, through any JSON.
            "tokenizers": [[view, settings] for view, settings in tokenizers.items()],
            "max_length": self.max_length,
            "bucketed": self.bucketed,
        }

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> TextPreparation:
        tokenizers = {view: tokenizing.from_json(one) for view, one in settings["tokenizers"]}
        return cls(tokenizers, settings["max_length"], settings["bucketed"])

    def save_pretrained(self, folder: Path, view: str) -> None:
        """Write the tokenizer of a view as `AutoTokenizer.from_pretrained` of transformers loads it."""
        tokenizing.save_pretrained(self._tokenizer(view), folder, max_length=self.max_length)

    def save_tokenizer(self, path: Path, view: str) -> None:
        """Write the tokenizer of a view as `tokenizers.Tokenizer.from_file` loads it; its batches are like `take`'s."""
        tokenizing.save(self._tokenizer(view), path, max_length=self.max_length)

    def _tokenizer(self, view: str) -> Tokenizer:
        tokenizer = self.tokenizers[view]
        if not tokenizer.content:
            raise DataError("A TextPreparation needs its tokenizers to be fitted: use what fit() returns.")
        return tokenizer


@dataclass(frozen=True, slots=True)
class TextInputs:
    """Texts as rows of batches.

    Attributes:
        tokens: by view.
        texts: the raw strings, for models that read words.
        view: which tokens a batch holds.
        bucketed: whether an epoch's batches are made of texts of like length.
        beside: further tensors of the same rows, which a network wants in each batch; prepared texts have none.
    """

    tokens: Mapping[str, Ragged]
    texts: Strings
    paddings: Mapping[str, int]
    view: str
    bucketed: bool = True
    beside: RowsByName | None = None

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def lengths(self) -> torch.Tensor:
        """Tokens of each row in this view."""
        return self.tokens[self.view].lengths

    def seen_as(self, view: str) -> TextInputs:
        """The same texts in the tokens of another tokenizer.

        Raises:
            SettingError: there is no such view.
        """
        _check_view(view, self.tokens)
        return replace(self, view=view)

    def part(self, start: int, end: int) -> TextInputs:
        """The rows from `start` to before `end`, as they were prepared."""
        tokens = {view: rows.part(start, end) for view, rows in self.tokens.items()}
        return replace(self, tokens=tokens, texts=Strings(self.texts.rows.part(start, end)), beside=None)

    def take(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask`, int64 (rows, longest), by the names that transformers has for them."""
        numbers, there = self.tokens[self.view].padded(rows, padding=self.paddings[self.view])
        more = {} if self.beside is None else self.beside.take(rows)
        return {"input_ids": numbers, "attention_mask": there.long(), **more}


@dataclass(frozen=True, slots=True)
class TextTargets:
    """Texts that a model learns to write.

    Attributes:
        tokens: by view.
        texts: the raw strings, to measure what was written against.
        starts: by view, the token that a decoder begins with.
    """

    tokens: Mapping[str, Ragged]
    texts: Strings
    starts: Mapping[str, int]
    paddings: Mapping[str, int]
    view: str

    def __len__(self) -> int:
        return len(self.texts)

    def seen_as(self, view: str) -> TextTargets:
        """The same texts in the tokens of another tokenizer."""
        _check_view(view, self.tokens)
        return replace(self, view=view)

    def part(self, start: int, end: int) -> TextTargets:
        tokens = {view: rows.part(start, end) for view, rows in self.tokens.items()}
        return replace(self, tokens=tokens, texts=Strings(self.texts.rows.part(start, end)))

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """The tokens to write, int64 (rows, longest), padded with -100, without the one that a decoder begins with."""
        numbers, _ = self.tokens[self.view].padded(rows, padding=IGNORED)
        if numbers.shape[1] > 1 and bool((numbers[:, 0] == self.starts[self.view]).all()):
            return numbers[:, 1:]
        return numbers

    def decoder_inputs(self, targets: torch.Tensor) -> torch.Tensor:
        """What a decoder has read when it writes each of `targets`: the start, then the targets one place later."""
        start = torch.full((len(targets), 1), self.starts[self.view])
        known = torch.where(targets == IGNORED, self.paddings[self.view], targets)
        return torch.cat([start, known[:, :-1]], dim=1)


def checked(text: Any, number: int | None = None) -> str:
    """`text` when it is one, without half characters.

    Raises:
        DataError: it is of another type.
    """
    if isinstance(text, str):
        return whole(text)
    which = "A text" if number is None else f"Text {number}"
    raise DataError(f"{which} needs to be a string, got {type(text).__name__}.")


def _joined(parts: Sequence[list[int]], start: int) -> list[int]:
    """Token numbers of several texts as those of one: of start marks only the first is kept."""
    rest = [part[1:] if part[:1] == [start] else part for part in parts[1:]]
    return [token for part in (*parts[:1], *rest) for token in part]


def _check_view(view: str, tokens: Mapping[str, Ragged]) -> None:
    if view not in tokens:
        raise SettingError(unknown_name("tokenizer of this data", view, tokens))
