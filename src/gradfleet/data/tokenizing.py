"""Tokenizers: one that is trained on the training texts, and one that a pretrained network brings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from gradfleet.errors import DataError, unknown_name

if TYPE_CHECKING:
    import tokenizers

_PAD, _START, _END, _MASK = "<|pad|>", "<|start|>", "<|end|>", "<|mask|>"  # in HTML <s> is text that is struck out


class Tokenizer(Protocol):
    """Texts as token numbers; open until `fit`, then a value that holds everything it needs.

    Attributes:
        name: which kind of tokenizer its JSON describes.
        content: JSON of `tokenizers.Tokenizer`; empty before `fit`.
        padding: the number that fills up the shorter texts of a batch.
        start: the number that a decoder begins with.
    """

    name: ClassVar[str]

    @property
    def content(self) -> str: ...
    @property
    def padding(self) -> int: ...
    @property
    def start(self) -> int: ...

    def fit(self, texts: Sequence[str]) -> Self:
        """The same tokenizer, ready for use."""
        ...


@dataclass(frozen=True, slots=True)
class TrainedTokenizer:
    """Byte-level BPE, learned from the training texts: it knows every language, and no text holds unknown tokens.

    Attributes:
        vocabulary_size: tokens at most. 8,000 cover small collections; pretrained ones have 30,000 and more.
        lowercase: whether upper case is given up, which small collections gain from.
    """

    vocabulary_size: int = 8_000
    lowercase: bool = True
    content: str = ""
    padding: int = 0
    start: int = 1

    name: ClassVar[str] = "trained"

    def __post_init__(self) -> None:
        if self.vocabulary_size < 300:
            raise DataError(
                f"A vocabulary needs at least 300 tokens, 256 of them for bytes, got {self.vocabulary_size!r}."
            )

    def fit(self, texts: Sequence[str]) -> TrainedTokenizer:
        if self.content:
            return self
        import tokenizers
        from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

        tokenizer = tokenizers.Tokenizer(models.BPE())
        steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if self.lowercase else [])]
        tokenizer.normalizer = normalizers.Sequence(steps)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocabulary_size,
            min_frequency=2,
            special_tokens=[_PAD, _START, _END, _MASK],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer, length=len(texts))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{_START} $A {_END}",
            pair=f"{_START} $A {_END} $B:1 {_END}:1",
            special_tokens=[(_START, 1), (_END, 2)],
        )
        return replace(self, content=tokenizer.to_str())


@dataclass(frozen=True, slots=True)
class PretrainedTokenizer:
    """The tokenizer of a pretrained network, from its local folder or, when online, its name on the Hugging Face hub.

    Its content is kept, so that a stored model needs neither folder nor hub.

    Attributes:
        source: the folder, or the name.
    """

    source: str
    content: str = ""
    padding: int = 0
    start: int = 0

    name: ClassVar[str] = "pretrained"

    def fit(self, texts: Sequence[str]) -> PretrainedTokenizer:
        """Read it; `texts` change nothing.

        Raises:
            DataError: there is no tokenizer in the folder, or the hub cannot be reached.
        """
        if self.content:
            return self
        from transformers import AutoTokenizer

        # `trust_remote_code` stays at its default: no code of a hub is ever run.
        try:
            found = AutoTokenizer.from_pretrained(os.fspath(self.source))
            content = found.backend_tokenizer.to_str()
        except Exception as problem:  # OSError, ValueError, httpx's and the hub's own
            raise DataError(
                f"No tokenizer can be read from {self.source!r}: {_first_line(problem)} Give the path of a folder that "
                "`save_pretrained` wrote, or a TrainedTokenizer(), which needs no network."
            ) from problem
        numbers = (found.bos_token_id, found.cls_token_id, found.pad_token_id, found.eos_token_id)
        known = [number for number in numbers if number is not None]
        padding = found.pad_token_id if found.pad_token_id is not None else (known or [0])[-1]
        return replace(self, content=content, padding=int(padding), start=int((known or [0])[0]))


def to_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """Its settings and content as plain JSON values."""
    return {"tokenizer": tokenizer.name, **asdict(tokenizer)}  # type: ignore[call-overload]


def from_json(settings: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that `to_json` described.

    Raises:
        DataError: of a kind that this version does not have.
    """
    kinds: dict[str, Any] = {TrainedTokenizer.name: TrainedTokenizer, PretrainedTokenizer.name: PretrainedTokenizer}
    values = dict(settings)
    kind = values.pop("tokenizer", None)
    if kind not in kinds:
        raise DataError(unknown_name("tokenizer", kind, kinds))
    made: Tokenizer = kinds[kind](**values)
    return made


def save_pretrained(tokenizer: Tokenizer, folder: Path, *, max_length: int) -> None:
    """Write what `AutoTokenizer.from_pretrained` of transformers loads; it cuts texts as `encode` does."""
    from transformers import PreTrainedTokenizerFast

    engine = loaded(tokenizer.content)
    make: Any = PreTrainedTokenizerFast
    made = make(
        tokenizer_object=engine,
        pad_token=engine.id_to_token(tokenizer.padding),
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
    )
    made.save_pretrained(folder)


def save(tokenizer: Tokenizer, path: Path, *, max_length: int) -> None:
    """Write what `tokenizers.Tokenizer.from_file` loads; it cuts texts as `encode` does, and fills up batches."""
    import tokenizers

    engine = tokenizers.Tokenizer.from_str(tokenizer.content)
    engine.enable_truncation(max_length)
    engine.enable_padding(pad_id=tokenizer.padding, pad_token=engine.id_to_token(tokenizer.padding))
    engine.save(str(path))


@lru_cache(maxsize=16)
def loaded(content: str) -> tokenizers.Tokenizer:
    """The tokenizer that JSON describes, parsed once a process; padding and truncation are off."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_str(content)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token numbers of each text, at most `max_length` of them; special tokens at the end are kept when it is cut."""
    engine = loaded(tokenizer.content)
    num_special = engine.num_special_tokens_to_add(is_pair=False)
    found = []
    for encoding in engine.encode_batch_fast(list(texts), add_special_tokens=False):
        encoding.truncate(max(max_length - num_special, 1))
        found.append(engine.post_process(encoding).ids)
    return found


def vocabulary_size(tokenizer: Tokenizer) -> int:
    return loaded(tokenizer.content).get_vocab_size()


def word_starts(tokenizer: Tokenizer) -> list[int]:
    """The tokens that begin a word behind a space, of tokenizers that mark such: byte-level ones and Unigram."""
    return [number for token, number in loaded(tokenizer.content).get_vocab().items() if token[0] in "\u0120\u2581"]


def decode(tokenizer: Tokenizer, numbers: Sequence[Sequence[int]]) -> list[str]:
    """The texts of token numbers, without special tokens."""
    return [text.strip() for text in loaded(tokenizer.content).decode_batch([list(row) for row in numbers])]


def _first_line(problem: Exception) -> str:
    line = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
    return line if line.endswith(".") else f"{line}."
