"""Stages: fits that follow each other, each with its own data, optimizer and epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradfleet.data.loaders import Source
from gradfleet.errors import CheckpointError, SettingError
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.history import History
from gradfleet.training.state.checkpoint import read_extra

if TYPE_CHECKING:
    from gradfleet.training.model import Model


@dataclass(frozen=True, slots=True)
class Stage:
    """One fit of several.

    Args:
        name: in errors and in checkpoints; no two stages of a run share one.
        epochs: of this stage.
        settings: the arguments of `Model.compile` for this stage, such as its optimizer.
        prepare: called with the model before it is compiled, to freeze parts of it for instance; also when a run goes
            on inside this stage, so it must depend on nothing but the model.
        callbacks: makes the stage's callbacks, anew for each run.
    """

    name: str
    data: Source
    validation: Source | None = None
    epochs: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 32
    prepare: Callable[[Model], object] | None = None
    callbacks: Callable[[], Iterable[Callback]] = tuple

    def __post_init__(self) -> None:
        if not self.name:
            raise SettingError("A stage needs a name.")
        if self.epochs < 1:
            raise SettingError(f"The stage {self.name!r} needs at least 1 epoch, got {self.epochs!r}.")


def run_stages(model: Model, stages: Sequence[Stage], *, folder: Path | str | None = None, seed: int = 0) -> History:
    """Fit through all stages; with a `folder`, a run that was ended goes on exactly where it was.

    A stage is a fit of its own: its optimizer and schedule begin anew, while weights and history go on. The
    folder holds one checkpoint, of the last whole epoch, which names its stage.

    Args:
        seed: of every stage.

    Raises:
        SettingError: there are no stages, or two of one name.
        CheckpointError: the folder's checkpoint is damaged, or of a stage that is not among these.
    """
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise SettingError(f"One or more stages with different names are needed, got {names}.")
    place = Path(folder) if folder is not None else None
    ended = _stage_of(place, names) if place is not None else None
    for number, stage in enumerate(stages):
        if ended is None or number >= ended:
            _run(model, stage, place, seed, goes_on=number == ended)
    return model.history


def _stage_of(place: Path, names: Sequence[str]) -> int | None:
    """The stage that the folder's checkpoint was written in; None when there is none yet."""
    if not place.exists() and not place.with_name(f".{place.name}.previous").exists():
        return None
    name = read_extra(place).get("stage")
    if name not in names:
        raise CheckpointError(f"The checkpoint {place} is of the stage {name!r}, and these are {', '.join(names)}.")
    return names.index(name)


def _run(model: Model, stage: Stage, place: Path | None, seed: int, *, goes_on: bool) -> None:
    if stage.prepare is not None:
        stage.prepare(model)
    model.compile(**stage.settings)
    first = read_extra(place)["first_epoch"] if goes_on and place is not None else model.epoch
    fit = model.epochs(
        stage.data,
        stage.validation,
        epochs=first + stage.epochs if goes_on else stage.epochs,
        batch_size=stage.batch_size,
        callbacks=stage.callbacks(),
        seed=seed,
        resume=place if goes_on else None,
    )
    for _ in fit:
        if place is not None:
            model.save(place, extra={"stage": stage.name, "first_epoch": first})
