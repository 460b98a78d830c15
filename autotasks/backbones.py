"""Pretrained backbones by local folder or hub name: none of their code is run, and one that is not there is refused."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import torch
from torch import nn

from gradfleet.errors import SettingError

Reads = Literal["images", "texts"]
_TOLD_BY: Mapping[Reads, str] = {"images": "num_channels", "texts": "vocab_size"}
"""What the configuration of a network has that reads these."""

_PATIENCE = 5.0
"""Seconds to wait for the hub to answer."""


def names_of(backbones: Sequence[str]) -> dict[str, str]:
    """What each backbone is called in a search: the last part of its folder or hub name.

    Raises:
        SettingError: two would be called the same.
    """
    names: dict[str, str] = {}
    for source in map(str, backbones):
        name = re.sub(r"[^\w-]+", "-", Path(source).name.lower()).strip("-") or "backbone"
        if name == "model" and Path(source).parent.name:  # a folder called so says nothing
            name = re.sub(r"[^\w-]+", "-", Path(source).parent.name.lower())
        if name in names:
            raise SettingError(f"Two backbones would be called {name!r}: {names[name]} and {source}. Rename a folder.")
        names[name] = source
    return names


def check_backbones(backbones: Sequence[str], *, kind: str, reads: Reads, may_write: bool = False) -> None:
    """Make sure of every backbone, so that one that cannot be had is refused before the search, and without waiting.

    A name on the hub is looked for in the local cache first and downloaded when the hub answers.

    Args:
        kind: of network that is needed, such as "text encoder".
        reads: what it has to read.
        may_write: whether an encoder-decoder will do.

    Raises:
        SettingError: with every backbone that cannot be read, or that reads something else.
    """
    problems = []
    for source in map(str, backbones):
        try:
            _check_content(_found(source), source, reads, may_write=may_write)
        except Exception as error:
            problems.append(_refused(source, kind, error))
    if problems:
        raise SettingError(problems)


def read_pretrained(source: str) -> Any:
    """The pretrained network, in float32.

    Raises:
        SettingError: it cannot be read.
    """
    from transformers import AutoModel

    try:
        # `trust_remote_code` stays at its default: no code of a hub is ever run.
        with _quiet():
            return AutoModel.from_pretrained(source, dtype=torch.float32)
    except Exception as error:
        raise SettingError(_refused(source, "network", error)) from error


def read_writer(source: str) -> Any:
    """The pretrained encoder-decoder, or one whose halves begin as the pretrained encoder; in float32.

    Raises:
        SettingError: it cannot be read, or its architecture has no decoder.
    """
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, EncoderDecoderModel

    try:
        with _quiet():
            if AutoConfig.from_pretrained(source).is_encoder_decoder:
                return AutoModelForSeq2SeqLM.from_pretrained(source, dtype=torch.float32)
            made: Any = EncoderDecoderModel.from_encoder_decoder_pretrained(source, source)
            return made.float()
    except Exception as error:
        raise SettingError(_refused(source, "encoder or encoder-decoder", error)) from error


def is_writer(source: str) -> bool:
    """Whether the pretrained network is an encoder-decoder."""
    from transformers import AutoConfig

    return bool(AutoConfig.from_pretrained(source).is_encoder_decoder)


def made_from(config: Mapping[str, Any]) -> Any:
    """An untrained network of this configuration, as `config.to_dict()` gave it."""
    from transformers import AutoConfig, AutoModel

    settings = dict(config)
    make: Any = AutoModel.from_config
    return make(AutoConfig.for_model(settings.pop("model_type"), **settings))


def usual_device() -> torch.device:
    """Where networks train: what is measured or computed before is measured or computed there, too."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def in_eval_mode(network: nn.Module) -> Iterator[None]:
    """Every part is put back into its own mode: a pretrained one may be in another than the rest."""
    before = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


@contextmanager
def computing(network: nn.Module) -> Iterator[None]:
    """In eval mode, without gradients; the mode is put back."""
    with in_eval_mode(network), torch.no_grad():
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and its report of weights without use, such as old heads."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _found(source: str) -> Any:
    """The configuration of a network that can be read."""
    from transformers import AutoConfig, AutoModel

    if Path(source).is_dir():
        config = AutoConfig.from_pretrained(source, local_files_only=True)
        if not any(Path(source).glob("*.safetensors")):
            raise FileNotFoundError("it has no weights (*.safetensors)")
        return config
    if Path(source).is_absolute():
        raise FileNotFoundError("there is no such folder")
    try:
        return AutoModel.from_pretrained(source, local_files_only=True).config
    except OSError:
        _reach_hub()
        return AutoModel.from_pretrained(source).config


def _check_content(config: Any, source: str, reads: Reads, *, may_write: bool) -> None:
    told = getattr(config.get_text_config(), _TOLD_BY[reads], None)
    if told is None:
        raise TypeError(f"a {config.model_type} reads no {reads}")
    if reads == "texts":
        if config.is_encoder_decoder and not may_write:
            raise TypeError(f"a {config.model_type} writes texts, and here they are only read: an encoder is needed")
        _check_tokenizer(source, vocabulary=told)


def _check_tokenizer(source: str, *, vocabulary: int) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(source)
    words = set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)
    if not words:  # transformers makes one without any where there is none
        raise FileNotFoundError("it has no tokenizer (tokenizer.json)")
    if tokenizer.vocab_size > vocabulary:
        raise ValueError(f"its tokenizer knows {tokenizer.vocab_size:,} tokens, and its network {vocabulary:,}")


def _reach_hub() -> None:
    """Raise at once where there is no network: the hub's own client tries again for half a minute."""
    from huggingface_hub import constants

    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        if constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        socket.create_connection((address.hostname or "", address.port or 443), timeout=_PATIENCE).close()
    except OSError as error:
        raise ConnectionError(f"it is not in the local cache, and {address.hostname} cannot be reached") from error


def _refused(source: str, kind: str, error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return (
        f"No pretrained {kind} can be read from {source!r}: {line}. Give the path of a folder that `save_pretrained` "
        "wrote, or leave backbones= out: networks from scratch need no download."
    )
