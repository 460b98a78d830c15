"""The views that texts are tokenized in, and whether data that a user has read has that of every backbone."""

from __future__ import annotations

from collections.abc import Sequence

from autotasks.backbones import names_of
from gradfleet import AutoDataset
from gradfleet.errors import DataError
from gradfleet.tasks import DataFacts, TextPreparation


def prepared_by(facts: DataFacts) -> TextPreparation:
    """How the texts of prepared data were tokenized."""
    assert facts.preparation is not None, "texts are always prepared"
    return TextPreparation.from_json(facts.preparation)


def check_views(data: AutoDataset, backbones: Sequence[str]) -> None:
    """Make sure of it before the first trial.

    Raises:
        DataError: with the names that are missing, and how to have them.
    """
    preparation = data.preparation
    there = set(preparation.tokenizers) if isinstance(preparation, TextPreparation) else {"trained"}
    missing = {name: source for name, source in names_of(backbones).items() if name not in there}
    if missing:
        views = ", ".join(f"{name!r}: PretrainedTokenizer({source!r})" for name, source in missing.items())
        raise DataError(
            f"The AutoDataset has no tokens of {', '.join(map(repr, missing))}. Give the preset what the AutoDataset "
            f"was made of, or make it with preparation=TextPreparation({{'trained': TrainedTokenizer(), {views}}})."
        )
