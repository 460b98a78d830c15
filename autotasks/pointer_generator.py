"""A network that writes in its own words and in those of the text: BART, small, with a pointer to what it read."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSeq2SeqLM, BartConfig, BartForConditionalGeneration
from transformers.modeling_outputs import Seq2SeqLMOutput

_RANKS = 8  # sentences that are told apart; further ones count as the last of them


class PointerGeneratorConfig(BartConfig):  # type: ignore[no-untyped-call]
    """That of BART."""

    model_type = "pointer-generator"


class PointerGenerator(BartForConditionalGeneration):  # type: ignore[no-untyped-call]
    """Each next token is drawn from the vocabulary, or copied from a place of the text that was read.

    The mixture is that of See et al., 2017, arXiv:1704.04368. Where it copies from, it is told what a copy would do, as
    the selective read of Gu et al., 2016, arXiv:1603.06393: begin with a sentence, the first ones before others, and go
    on behind what was copied last. How much each of that counts is learned; it begins so that an untrained network
    copies the first sentence, so that a few hundred texts are enough to start from. A text has an end mark behind each
    of its sentences.

    `logits` are the logarithms of the mixture's probabilities.
    """

    config_class = PointerGeneratorConfig
    config: Any

    def __init__(self, config: PointerGeneratorConfig) -> None:
        super().__init__(config)
        width = self.config.d_model
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.gate = nn.Linear(width, 1)
        nn.init.constant_(self.gate.bias, -2.0)  # generates about one token in eight
        self.beginning = nn.Parameter(torch.tensor(4.0))
        self.continuation = nn.Parameter(torch.tensor([3.0, 3.0]))  # behind the last token, and behind the last two
        self.rank = nn.Parameter(-0.5 * torch.arange(_RANKS))

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        source: torch.Tensor | None = None,
        written: torch.Tensor | None = None,
        **further: Any,
    ) -> Seq2SeqLMOutput:
        """As of BART.

        Args:
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
        scores = self._attention(states, read) + self._prior(source, written)[:, -states.shape[1] :]
        copied = scores.masked_fill((source == self.config.pad_token_id)[:, None], -torch.inf).softmax(-1)
        gate = self.gate(states).float()
        generated = self.lm_head(states).float().softmax(-1)
        tokens = source[:, None].expand(-1, states.shape[1], -1)
        mixture = (generated * gate.sigmoid()).scatter_add(2, tokens, copied * (-gate).sigmoid())
        return Seq2SeqLMOutput(
            logits=mixture.clamp_min(1e-9).log(),
            past_key_values=found.past_key_values,
            encoder_last_hidden_state=read,
        )

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("source", kwargs["input_ids"] if "input_ids" in kwargs else args[0])
        parent: Any = super()
        return parent.generate(*args, **kwargs)

    def prepare_inputs_for_generation(self, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # `generate` lets through what `forward` takes, where the name here is `kwargs`.
        parent: Any = super()
        return {**parent.prepare_inputs_for_generation(input_ids, *args, **kwargs), "written": input_ids}

    def _attention(self, states: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """How well each place of the text fits, (rows, tokens to write, places)."""
        queries, keys = self.query(states), self.key(read)
        fits: torch.Tensor = (queries @ keys.transpose(1, 2)) * self.config.d_model**-0.5
        return fits.float()

    def _prior(self, source: torch.Tensor, written: torch.Tensor) -> torch.Tensor:
        """How much speaks for each place by what was written before, (rows, tokens written, places)."""
        ends = source.eq(self.config.eos_token_id)
        sentence = (ends.cumsum(1) - ends.long()).clamp_max(_RANKS - 1)
        before, before_that = _later(source, 1), _later(source, 2)
        is_begin = before.eq(self.config.bos_token_id) | before.eq(self.config.eos_token_id)
        nothing_written = written.eq(self.config.decoder_start_token_id)
        follows = before[:, None] == written[..., None]
        follows_two = follows & (before_that[:, None] == _later(written, 1)[..., None])
        prior: torch.Tensor = (
            self.beginning * (is_begin[:, None] & nothing_written[..., None])
            + self.continuation[0] * follows
            + self.continuation[1] * follows_two
            + self.rank[sentence][:, None]
        )
        return prior


def _later(tokens: torch.Tensor, places: int) -> torch.Tensor:
    """The same row, so many places later; nothing is before the first."""
    return functional.pad(tokens, (places, 0), value=-1)[:, : tokens.shape[1]]


AutoConfig.register(PointerGeneratorConfig.model_type, PointerGeneratorConfig)
AutoModelForSeq2SeqLM.register(PointerGeneratorConfig, PointerGenerator)
