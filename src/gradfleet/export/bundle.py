"""Bundle: a trained model as a folder that predicts raw items, with no training data near and no code inside."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gradfleet.errors import CheckpointError, ExecutionError
from gradfleet.training.state.checkpoint import read_files, write_files
from gradfleet.trials import checkpoints
from gradfleet.trials.answers import Answers, answers_of
from gradfleet.trials.averaged import AveragedPredictor
from gradfleet.trials.recipe import Predictor
from gradfleet.trials.recipes import load_recipe

if TYPE_CHECKING:
    import numpy

    from gradfleet.training.evaluation import Evaluation

BUNDLE = "bundle.json"
FORMAT = 1
PROGRAM_REFERENCE = {"kind": "program"}
"""What stands for the recipe of a model whose recipe has no name: its network travels as a torch.export program."""


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a bundle.

    Attributes:
        recipe: what reads the files: the reference of a named task, or PROGRAM_REFERENCE.
        files: a checkpoint's files by name, without what only training needs.
        weight: how much it counts among the others.
    """

    recipe: Mapping[str, Any]
    files: Mapping[str, bytes]
    weight: float = 1.0


def write_bundle(folder: Path, members: Sequence[Member], about: Mapping[str, Any]) -> None:
    """Write a bundle into a folder that is not there yet.

    Args:
        about: JSON on where the model comes from and how it was measured; `Bundle.about` gives it back.
    """
    names = [f"member-{number}" for number in range(len(members))]
    for name, member in zip(names, members, strict=True):
        write_files(folder / name, member.files)
    listed = [
        {"folder": name, "recipe": dict(member.recipe), "weight": member.weight}
        for name, member in zip(names, members, strict=True)
    ]
    description = {"format": FORMAT, "members": listed, "about": dict(about)}
    (folder / BUNDLE).write_text(json.dumps(description, indent=1, ensure_ascii=False), encoding="utf-8")


class Bundle:
    """A model or an ensemble, exported with `format="bundle"`: weights as safetensors, everything else as JSON.

    The network is built again by the named task that trained it, which has to be installed, and nothing in the folder
    is run. Only a model from a search of your own networks, which have no name, travels as a torch.export program:
    torch loads such a file with pickle, so it has to be trusted.

    Attributes:
        about: where the model comes from: study, trial, config, the score that was measured, versions.

    Example:
        >>> bundle = Bundle.load("flowers-model")  # doctest: +SKIP
        >>> bundle.predict(["new.jpg"])  # doctest: +SKIP
        ['tulip']
    """

    def __init__(self, predictor: Predictor, about: Mapping[str, Any]) -> None:
        self._predictor = predictor
        self.about = about

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, trust_program: bool = False) -> Self:
        """The bundle at a local path or any fsspec URL.

        Args:
            trust_program: load a network that travels as a torch.export program.

        Raises:
            CheckpointError: there is no bundle, or it is damaged.
            NotFoundError: the task that builds its network is not installed.
            ExecutionError: it holds a program, and nobody said that it is trusted.
        """
        folder = checkpoints.fetch(os.fspath(path))
        description = _read(folder)
        listed = description["members"]
        found = [_member(folder, one, trust_program=trust_program) for one in listed]
        weights = [one.get("weight", 1.0) for one in listed]
        return cls(found[0] if len(found) == 1 else AveragedPredictor(found, weights), description["about"])

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Class names in the order of `predict_proba`; None when there are no classes, or they are numbers."""
        return self._predictor.labels

    def predict(self, items: Any) -> Sequence[Any]:
        """One prediction of each raw item, such as a path or a text, in the terms of the training data.

        Raises:
            DataError: an item cannot be read; it is named.
        """
        return self._predictor.predict(items)

    def predict_proba(self, items: Any) -> numpy.ndarray[Any, Any]:
        """Probabilities of shape (items, classes), in the order of `labels`.

        Raises:
            DataError: as `predict`, or the model does not classify.
        """
        return self._predictor.predict_proba(items)

    def scores(self, items: Any) -> numpy.ndarray[Any, Any]:
        """Of a model whose classes have scores, such as sentiments, the mean score of each item, shape (items,).

        Raises:
            DataError: as `predict`, or the classes have none.
        """
        return self.answers(items).scores

    def answers(self, items: Any) -> Answers:
        """Labels, probabilities and scores, of a network from one pass.

        Raises:
            DataError: as `predict`.
        """
        return answers_of(self._predictor, items)

    def evaluate(self, data: Any) -> Evaluation:
        """Metrics over labelled data of the kind that the model learned from, with tables under `.details`."""
        return self._predictor.evaluate(data)


def _read(folder: Path) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads((folder / BUNDLE).read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"There is no bundle at {folder}: {BUNDLE} is not there.") from None
    except ValueError as error:
        raise CheckpointError(f"The bundle {folder} is damaged: {BUNDLE} cannot be read ({error}).") from error
    if description.get("format") != FORMAT:
        raise CheckpointError(
            f"The bundle {folder} has format {description.get('format')}; this version reads format {FORMAT}."
        )
    return description


def _member(folder: Path, listed: Mapping[str, Any], *, trust_program: bool) -> Predictor:
    reference, place = listed["recipe"], folder / listed["folder"]
    if reference == PROGRAM_REFERENCE:
        if not trust_program:
            raise ExecutionError(
                f"The network of {folder} travels as a torch.export program, and loading one can run its author's "
                "code. If you trust it, pass trust_program=True."
            )
        from gradfleet.export.program import read_program

        return read_program(place, read_files(place))
    return load_recipe(reference, trusted=False).load(place)
