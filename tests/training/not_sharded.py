"""What test_sharding.py runs in two processes: models that `strategy="fsdp"` refuses, and in which words."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.model import Model


def by_hand(model: Model, batch: Any) -> None:
    model.backward(nn.functional.cross_entropy(model.network(batch[0]), batch[1]))
    model.step()


def told(work: Callable[[], object]) -> str:
    try:
        work()
    except SettingError as error:
        return str(error)
    return "nothing"


def main(out: Path) -> None:
    torch.set_num_threads(1)
    pair = torch.randn(8, 4), torch.zeros(8, dtype=torch.long)
    stepping = Model(nn.Linear(4, 2), training_step=by_hand).compile("cross_entropy", strategy="fsdp")
    said = {
        "two": told(lambda: Model({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)}).compile(strategy="fsdp")),
        "lazy": told(lambda: Model(nn.LazyLinear(2)).compile("cross_entropy", strategy="fsdp")),
        "by hand": told(lambda: stepping.fit(pair, epochs=1, progress=False)),
    }
    (out / f"said-{os.environ['RANK']}.json").write_text(json.dumps(said))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # gloo's threads may end a process that leaves them behind


if __name__ == "__main__":
    main(Path(sys.argv[1]))
