"""Networks that write: encoder-decoders of transformers, pretrained, warm-started from an encoder, or from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from autotasks.backbones import in_eval_mode
from gradfleet import Model
from gradfleet.errors import SettingError

_RUN = 3  # tokens that are written once in this order


@dataclass(frozen=True, slots=True)
class Generation:
    """How text is searched for that a network finds likely.

    Attributes:
        beams: beginnings that are kept at a time; 1 takes the likeliest token each time.
        length_penalty: above 0 prefers longer texts, where there are several beams.
        min_tokens, max_tokens: of a text.
    """

    beams: int = 1
    length_penalty: float = 1.0
    min_tokens: int = 0
    max_tokens: int = 64

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Marks:
    """Token numbers that are no words.

    Attributes:
        start: what a decoder begins with.
        end: what it ends a text with.
        padding: what fills up shorter texts.
    """

    start: int
    end: int
    padding: int


class Writer(nn.Module):
    """An encoder-decoder: reads a text and says of each token of another how likely every next one is.

    Args:
        network: of transformers.
    """

    def __init__(self, network: Any, marks: Marks) -> None:
        from transformers import GenerationConfig

        super().__init__()
        self.network = network
        self.marks = marks
        # What a pretrained network was told for its own task, such as a forced first token, would be mixed in.
        make: Any = GenerationConfig
        self.network.generation_config = make(**self._told())

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, decoder_input_ids: torch.Tensor
    ) -> torch.Tensor:
        """Logits, (rows, tokens, vocabulary)."""
        found = self.network(
            input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids, use_cache=False
        )
        logits: torch.Tensor = found.logits
        return logits

    def write(self, batch: Mapping[str, torch.Tensor], generation: Generation) -> torch.Tensor:
        """Token numbers of a text for each row, (rows, tokens), padded."""
        device = next(self.parameters()).device
        with in_eval_mode(self), torch.no_grad():
            tokens: torch.Tensor = self.network.generate(
                **{name: part.to(device) for name, part in batch.items()}, generation_config=self._settings(generation)
            )
        return tokens.cpu()

    @property
    def at_once(self) -> int:
        """Rows to write together: what 4 beams keep of them for decoding is about 1.5 GB for BART's base, 32 here."""
        decoder = self.network.get_decoder().config
        size: int = decoder.hidden_size * decoder.num_hidden_layers
        return max(8, min(128, 32 * 768 * 6 // size))

    def save_pretrained(self, folder: Path, generation: Generation) -> None:
        """Write what `AutoModelForSeq2SeqLM.from_pretrained` loads, and what its `generate` is to do."""
        self.network.save_pretrained(folder)
        self._settings(generation).save_pretrained(folder)

    def _settings(self, generation: Generation) -> Any:
        from transformers import GenerationConfig

        make: Any = GenerationConfig
        return make(
            **self._told(),
            num_beams=generation.beams,
            length_penalty=generation.length_penalty if generation.beams > 1 else None,
            early_stopping=generation.beams > 1,
            min_new_tokens=generation.min_tokens or None,
            max_new_tokens=max(generation.max_tokens, generation.min_tokens + 1),
            no_repeat_ngram_size=_RUN,
            do_sample=False,
        )

    def _told(self) -> dict[str, int]:
        """The marks by transformers' names."""
        marks = self.marks
        return {
            "decoder_start_token_id": marks.start,
            "bos_token_id": marks.start,
            "eos_token_id": marks.end,
            "pad_token_id": marks.padding,
        }


class WritingModel(Model):
    """Trains a `Writer` to write the targets; what it says of every token of a vocabulary is not kept for metrics."""

    def training_step(self, batch: Any) -> torch.Tensor:
        inputs, targets = batch
        return self.compute_loss(self.forward(inputs), targets)

    def validation_step(self, batch: Any) -> torch.Tensor:
        inputs, targets = batch
        return self.problem.compute_loss(self.network(**inputs), targets)


def small_writer(tokens: Mapping[str, int], marks: Marks, *, width: int, depth: int, dropout: float) -> Any:
    """BART's architecture, small and untrained.

    Args:
        tokens: facts of the view that it reads and writes, see `TextPreparation.facts`.
        width: is rounded to a multiple of 32, one head each.
    """
    from transformers import BartConfig, BartForConditionalGeneration

    make: Any = BartForConditionalGeneration
    return make(_small(BartConfig, tokens, marks, width, depth, dropout))


def small_copier(tokens: Mapping[str, int], marks: Marks, *, width: int, depth: int, dropout: float) -> Any:
    """The same with a pointer to the text that it reads; untrained, it copies the first sentence."""
    from autotasks.pointer_generator import PointerGenerator, PointerGeneratorConfig

    return PointerGenerator(_small(PointerGeneratorConfig, tokens, marks, width, depth, dropout))


def _small(make: Any, tokens: Mapping[str, int], marks: Marks, width: int, depth: int, dropout: float) -> Any:
    width = max(32, width // 32 * 32)
    layers = {f"{half}_layers": depth for half in ("encoder", "decoder")}
    heads = {f"{half}_attention_heads": width // 32 for half in ("encoder", "decoder")}
    sizes = {f"{half}_ffn_dim": 4 * width for half in ("encoder", "decoder")}
    return make(
        vocab_size=tokens["vocabulary_size"],
        d_model=width,
        max_position_embeddings=max(1024, tokens["max_length"] + 16),
        dropout=dropout,
        bos_token_id=marks.start,
        decoder_start_token_id=marks.start,
        eos_token_id=marks.end,
        pad_token_id=marks.padding,
        forced_eos_token_id=None,
        **layers,
        **heads,
        **sizes,
    )


def writer_of(config: Mapping[str, Any]) -> Any:
    """An untrained network of this configuration, as `config.to_dict()` gave it."""
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    from autotasks.pointer_generator import PointerGenerator, PointerGeneratorConfig

    settings = dict(config)
    kind = settings.pop("model_type", None)
    if kind is None:
        raise SettingError("The checkpoint does not say what its encoder-decoder is: it has no model_type.")
    if kind == PointerGeneratorConfig.model_type:
        return PointerGenerator(PointerGeneratorConfig(**settings))
    make: Any = AutoModelForSeq2SeqLM.from_config
    return make(AutoConfig.for_model(kind, **settings))
