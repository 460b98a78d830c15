"""A Model is compiled as a search has chosen, by its own `compile` where it has one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from gradfleet.data.prepared import Kind
from gradfleet.errors import SettingError
from gradfleet.training.model import Model


def compile_as_chosen(model: Model, chosen: Mapping[str, Any], kind: Kind | None) -> None:
    """Call the Model's `compile` with what was chosen, unless its builder has done so; then nothing may be chosen.

    Args:
        chosen: arguments of `compile`.
        kind: of problem, as the data tells; a `compile` that does not take it need not.

    Raises:
        SettingError: the Model's `compile` does not take all of what was chosen, or was called before.
    """
    name = type(model).__name__
    if not model.is_compiled:
        taken = inspect.signature(model.compile).parameters
        takes_any = any(one.kind is Parameter.VAR_KEYWORD for one in taken.values())
        if unknown := [one for one in chosen if one not in taken and not takes_any]:
            raise SettingError(
                f"{name}.compile takes no {', '.join(sorted(unknown))}, which this search chooses; it takes "
                f"{', '.join(taken) or 'nothing'}."
            )
        if "kind" in taken or takes_any:
            chosen = {"kind": kind, **chosen}
        model.compile(**chosen)
    elif chosen:
        raise SettingError(
            f"The architecture builds a compiled {name}, so {', '.join(sorted(chosen))} of this search would count "
            "for nothing: build it uncompiled, or leave them out."
        )
    if kind is not None:
        model.settle_as(kind)
