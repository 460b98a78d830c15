"""The one place where Python, NumPy and torch are seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int, *branch: int) -> None:
    """Seed the global generators of Python, NumPy and torch (CPU and, where it is in use, CUDA) from `seed`.

    Args:
        branch: numbers that tell one use of the seed from another, such as the epoch.
    """
    words = np.random.SeedSequence([seed, *branch]).generate_state(3, np.uint64)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]) % 2**32)
    # torch.manual_seed would queue a call for every device that is not in use, with a stack trace, epoch after epoch.
    torch.default_generator.manual_seed(int(words[2]) >> 1)
    if _cuda_is_used():
        torch.cuda.manual_seed_all(int(words[2]) >> 1)


def generator_states() -> dict[str, Any]:
    """Where the global generators are, as numbers and tensors."""
    version, words, gauss = random.getstate()
    name, numpy_words, place, has_gauss, cached = np.random.get_state()
    return {
        "python": [version, list(words), gauss],
        "numpy": [name, np.asarray(numpy_words).tolist(), place, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if _cuda_is_used() else [],
    }


def restore_generators(states: Mapping[str, Any]) -> None:
    """Put the global generators where `generator_states` found them."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    name, numpy_words, *rest = states["numpy"]
    np.random.set_state((name, np.array(numpy_words, dtype=np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


@contextmanager
def untouched_generators() -> Iterator[None]:
    """Whatever is drawn inside leaves the global generators of Python, NumPy and torch as they were."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if _cuda_is_used() else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if devices:
            torch.cuda.set_rng_state_all(devices)


def _cuda_is_used() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
