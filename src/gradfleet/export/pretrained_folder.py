"""A folder that `from_pretrained` of transformers loads, and what it gives in a clean process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gradfleet.data.prepared import DataFacts
from gradfleet.export import clean_process
from gradfleet.export.trained import Trained
from gradfleet.training.data_network import DataNetwork, not_of_transformers
from gradfleet.training.evaluation import Evaluation


@runtime_checkable
class Writes(Protocol):
    """A predictor that writes texts.

    Attributes:
        facts: of the data that it learned from.
    """

    facts: DataFacts

    def compare(self, found: Sequence[str], wanted: Sequence[str]) -> Evaluation:
        """The metrics of texts that were written already."""
        ...

    def save_pretrained(self, folder: Path) -> None:
        """Write its network, tokenizer and settings of generation.

        Raises:
            ExportError: it has no network of transformers.
        """
        ...


def write_folder(trained: Trained, folder: Path) -> None:
    """Write the network with its preprocessing.

    Raises:
        ExportError: the model has no network of transformers.
    """
    writer = trained.predictor
    if isinstance(writer, Writes):
        writer.save_pretrained(folder)
        return
    network: Any = trained.network.model.network
    if isinstance(network, DataNetwork):
        network.save_pretrained(folder, trained.network.facts)
    elif hasattr(network, "save_pretrained"):  # a network of transformers, as it is
        network.save_pretrained(folder)
    else:
        raise not_of_transformers(network)


def measured_texts(trained: Trained, writer: Writes, folder: Path) -> tuple[float, int]:
    """The score of what the folder writes for the validation texts, and their number."""
    validation: Any = trained.open_data().validation
    with tempfile.TemporaryDirectory() as place:
        before, after = Path(place, "texts.json"), Path(place, "written.json")
        before.write_text(json.dumps(list(validation.inputs.texts)), encoding="utf-8")
        clean_process.run("writer", folder, before, after)
        found = json.loads(after.read_text(encoding="utf-8"))
    return writer.compare(found, list(validation.targets.texts))[trained.metric], len(found)
