"""Several processes that train one model together, as `accelerate launch` or `torchrun` starts them.

Every process reads the same batches and takes its share of each batch's rows; gradients are added up weighted by
rows. So batch sizes, steps, metrics and weights are those of one process, whatever the number of rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from gradfleet.training.batches import parts
from gradfleet.training.context import Cancel, FitState
from gradfleet.training.step import num_rows


class Processes:
    """This process among the others.

    Attributes:
        device: of this process.
        is_main: whether it is the one that writes and prints.
        number: how many there are.
    """

    def __init__(self) -> None:
        from accelerate import Accelerator

        # Precision is the model's own: a second Accelerator of another one would raise.
        accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
        self.device: torch.device = accelerator.device
        self.is_main: bool = accelerator.is_main_process
        self.number = int(accelerator.num_processes)
        self._rank = int(accelerator.process_index)

    def share(self, batch: Any) -> tuple[Any, int, int, float]:
        """This process's part of a batch, its first row, how many of its rows count, and their share of the whole.

        Where there are fewer rows than processes, some take a row that does not count, so that all do the same.
        """
        if batch is None:
            return None, 0, 1, 1 / self.number
        rows = num_rows(batch)
        start, end = (rows * rank // self.number for rank in (self._rank, self._rank + 1))
        first, past = (start, end) if end > start else (0, 1)
        return parts.rows(batch, first, past), first, end - start, (end - start) / rows

    def combine(self, parameters: Iterable[nn.Parameter], weight: float) -> None:
        """Make the gradients the weighted sum over the processes; doing so twice changes nothing."""
        wanted = [one for one in parameters if one.requires_grad]
        if not wanted:
            return
        there = torch.tensor([one.grad is not None for one in wanted], dtype=torch.float32, device=self.device)
        flat = [torch.zeros_like(one) if one.grad is None else one.grad for one in wanted]
        together = torch.cat([one.flatten() * weight for one in flat] + [there])
        torch.distributed.all_reduce(together)
        sums = torch.split(together, [one.numel() for one in wanted] + [len(wanted)])
        for one, gradient, found in zip(wanted, sums, sums[-1].tolist(), strict=False):
            one.grad = gradient.reshape(one.shape).clone() if found else None

    def agree(self, state: FitState) -> None:
        """What a callback of one process has asked to leave out is left out by all."""
        if state.model is not None:
            state.model.meet()
        asked = self.gather((int(state.cancel), state.stop_reason))
        state.cancel = Cancel(max(cancel for cancel, _ in asked))
        state.stop_reason = next((reason for _, reason in asked if reason is not None), None)

    def call(self) -> None:
        """In the first process: have the others help, as soon as they `meet` or `follow`."""
        self._tell(calls=True)

    def follow(self, help_out: Callable[[], object]) -> None:
        """In another process: wait for one `call`, and help."""
        if self._told():
            help_out()

    def meet(self, help_out: Callable[[], object]) -> None:
        """Be all at the same place; until the first process is there, the others help it whenever it calls."""
        if self.is_main:
            self._tell(calls=False)
            return
        while self._told():
            help_out()

    def _tell(self, *, calls: bool) -> None:
        torch.distributed.broadcast(torch.tensor([calls], dtype=torch.uint8, device=self.device), 0)

    def _told(self) -> bool:
        told = torch.zeros(1, dtype=torch.uint8, device=self.device)
        torch.distributed.broadcast(told, 0)
        return bool(told.item())

    def gather(self, value: Any) -> list[Any]:
        """What every process has, in their order."""
        found: list[Any] = [None] * self.number
        torch.distributed.all_gather_object(found, value)
        return found

    def begin_alike(self, networks: Mapping[str, nn.Module], *, weights: bool = True) -> None:
        """Buffers and, unless each holds its part of them, weights as the first process has them."""
        for network in networks.values():
            for tensor in (*network.buffers(), *(network.parameters() if weights else ())):
                torch.distributed.broadcast(tensor.detach(), 0)


@cache
def processes() -> Processes | None:
    """The processes that were started together; None when this is the only one."""
    return Processes() if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ else None
