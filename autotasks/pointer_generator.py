"""A network that writes in its own words and in those of the text: BART, small, with a pointer to what it read."""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import BartConfig, BartForConditionalGeneration, LogitsProcessorList, NoRepeatNGramLogitsProcessor
from transformers.modeling_outputs import Seq2SeqLMOutput

_SENTENCES = 4  # that are told apart; further ones count as the last of them
_LEAST = 1e-9  # of a token that nothing speaks for


class PointerGeneratorConfig(BartConfig):  # type: ignore[no-untyped-call]
    """That of BART."""

    model_type = "pointer-generator"


class PointerGenerator(BartForConditionalGeneration):  # type: ignore[no-untyped-call]
    """Each next token is drawn from the vocabulary, or copied from a place of the text that was read.

    The mixture is that of See et al., 2017, arXiv:1704.04368. Where it copies from, it is told what a copy would do, as
    the selective read of Gu et al., 2016, arXiv:1603.06393: begin with a sentence, the first ones before others, and go
    on behind what was written last, by up to eight tokens of it. How much each of that counts is learned; it begins so
    that an untrained network copies the first sentence, where eight tokens tell its places apart, so that a few hundred
    texts are enough to start from. A text has an end mark behind each of its sentences.

    Attributes:
        word_starts: which tokens begin a word, bool (vocabulary,); see `generate`.

    `logits` are the logarithms of the mixture's probabilities.
    """

    config_class = PointerGeneratorConfig
    config: Any

    def __init__(self, config: PointerGeneratorConfig) -> None:
        super().__init__(config)
        self.word_starts = nn.Buffer(torch.zeros(config.vocab_size, dtype=torch.bool))
        width = self.config.d_model
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.gate = nn.Linear(width, 1)
        nn.init.constant_(self.gate.bias, -2.0)  # generates about one token in eight
        self.beginning = nn.Parameter(torch.tensor(4.0))
        # Behind the last token, the last two, and so on: a sign of many scripts is three tokens.
        self.continuation = nn.Parameter(torch.tensor([3.0, 3.0, *[1.0] * 6]))
        self.rank = nn.Parameter(-0.5 * torch.arange(_SENTENCES))

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        source: torch.Tensor | None = None,
        written: torch.Tensor | None = None,
        **further: Any,
    ) -> Seq2SeqLMOutput:
        """Logits of each next token.

        Args:
            input_ids, attention_mask, decoder_input_ids, further: as of `BartModel`.
            source: token numbers of the text, (rows, places); those of `input_ids`, which `generate` reads once.
            written: all that was written before each next token, where `decoder_input_ids` are only the last of it.
        """
        further["return_dict"] = True
        found = self.model(input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids, **further)
        source = input_ids if source is None else source
        written = decoder_input_ids if written is None else written
        assert source is not None
        assert written is not None
        states, read = found.last_hidden_state, found.encoder_last_hidden_state
        scores = self._attention(states, read) + self._prior(source, written, states.shape[1])
        copied = scores.masked_fill((source == self.config.pad_token_id)[:, None], -torch.inf).softmax(-1)
        gate = self.gate(states).float()
        generated = self.lm_head(states).float().softmax(-1)
        tokens = source[:, None].expand(-1, states.shape[1], -1)
        mixture = (generated * gate.sigmoid()).scatter_add(2, tokens, copied * (-gate).sigmoid())
        return Seq2SeqLMOutput(
            logits=(mixture + _LEAST).log(),
            past_key_values=found.past_key_values,
            encoder_last_hidden_state=read,
        )

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """As of transformers; a run of tokens is written twice unless it ends where a word begins.

        So a sign of several tokens, or a name, is never broken off for having been written before.
        """
        settings = copy(kwargs.pop("generation_config", None) or self.generation_config)
        run, settings.no_repeat_ngram_size = settings.no_repeat_ngram_size, None
        processors = LogitsProcessorList([_NoRepeatedWords(run, self.word_starts)] if run else [])
        kwargs.setdefault("source", kwargs.get("input_ids", args[0] if args else None))
        parent: Any = super()
        return parent.generate(*args, generation_config=settings, logits_processor=processors, **kwargs)

    def prepare_inputs_for_generation(self, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # `generate` lets through what `forward` takes, where the name here is `kwargs`.
        parent: Any = super()
        return {**parent.prepare_inputs_for_generation(input_ids, *args, **kwargs), "written": input_ids}

    def _attention(self, states: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """How well each place of the text fits, (rows, tokens to write, places)."""
        queries, keys = self.query(states), self.key(read)
        fits: torch.Tensor = (queries @ keys.transpose(1, 2)) * self.config.d_model**-0.5
        return fits.float()

    def _prior(self, source: torch.Tensor, written: torch.Tensor, steps: int) -> torch.Tensor:
        """How much speaks for each place by what was written before, (rows, the last steps, places)."""
        ends = source.eq(self.config.eos_token_id)
        sentence = (ends.cumsum(1) - ends.long()).clamp_max(_SENTENCES - 1)
        before = _before(source, 1)
        begins = before.eq(self.config.bos_token_id) | before.eq(self.config.eos_token_id)
        starts = written[:, -steps:].eq(self.config.decoder_start_token_id)
        prior: torch.Tensor = self.beginning * (begins[:, None] & starts[..., None]) + self.rank[sentence][:, None]
        follows = torch.ones_like(prior, dtype=torch.bool)
        for back, weight in enumerate(self.continuation):
            last = _before(written, back)[:, -steps:]
            follows = follows & (_before(source, back + 1)[:, None] == last[..., None])
            prior = prior + weight * follows
        return prior


class _NoRepeatedWords(NoRepeatNGramLogitsProcessor):
    """Bans the end of a run that was written before, where a word begins with it."""

    def __init__(self, run: int, word_starts: torch.Tensor) -> None:
        super().__init__(run)
        self._word_starts = word_starts

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        banned: Any = super().__call__(input_ids, scores)
        return torch.where(self._word_starts, banned, scores)


def _before(tokens: torch.Tensor, places: int) -> torch.Tensor:
    """At each place the token so many places before it, (rows, places); -1 where there is none."""
    return functional.pad(tokens, (places, 0), value=-1)[:, : tokens.shape[1]]
