"""The same rows give the same weights, whichever way they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradfleet.data.dataset import AutoDataset
from gradfleet.training.model import Model

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = np.array([0, 1, 2, 1] * 10)
FRAME = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "label": Y})


def file(write: Callable[[Path], Any], name: str) -> Callable[[Path], Any]:
    def make(folder: Path) -> Path:
        write(folder / name)
        return folder / name

    return make


def saved(folder: Path) -> Path:
    import datasets

    datasets.Dataset.from_pandas(FRAME).save_to_disk(str(folder / "saved"))
    return folder / "saved"


SOURCES: dict[str, Callable[[Path], Any]] = {
    "tensor": lambda _: (torch.from_numpy(X), torch.from_numpy(Y)),
    "list": lambda _: (X.tolist(), Y.tolist()),
    "tensor dataset": lambda _: TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
    "pandas": lambda _: FRAME,
    "dict": lambda _: FRAME.to_dict("list"),
    "dict of arrays": lambda _: {"x": X, "label": Y},
    "list of dicts": lambda _: FRAME.to_dict("records"),
    "csv": file(lambda path: FRAME.to_csv(path, index=False), "a.csv"),
    "json lines": file(lambda path: FRAME.to_json(path, orient="records", lines=True, double_precision=15), "a.jsonl"),
    "parquet": file(lambda path: FRAME.to_parquet(path), "a.parquet"),
    "saved Hugging Face dataset": saved,
}


def weights(source: Any) -> torch.Tensor:
    torch.manual_seed(0)
    network = nn.Linear(3, 3)
    Model(network).compile().fit(AutoDataset(source), epochs=2, batch_size=8, seed=1)
    return network.weight.detach()


@pytest.fixture(scope="module")
def expected() -> torch.Tensor:
    return weights((X, Y))


@pytest.mark.row("DA1")
@pytest.mark.parametrize("name", SOURCES)
def test_the_same_rows_give_the_same_weights(name: str, expected: torch.Tensor, tmp_path: Path) -> None:
    assert torch.equal(weights(SOURCES[name](tmp_path)), expected)


@pytest.mark.row("DA1")
def test_a_data_loader_in_the_order_of_the_rows_gives_the_weights_of_those_rows() -> None:
    def fitted(train: Any) -> torch.Tensor:
        torch.manual_seed(0)
        network = nn.Linear(3, 3)
        Model(network).compile().fit(train, epochs=2, seed=1)
        return network.weight.detach()

    rows = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    plain = fitted(DataLoader(rows, batch_size=8))
    through = AutoDataset(DataLoader(rows, batch_size=8), validation=DataLoader(rows, batch_size=8))
    assert torch.equal(fitted(through), plain)


@pytest.mark.row("DA1")
def test_images_in_a_folder_and_in_arrays_give_the_same_weights(class_folders: Any) -> None:
    from PIL import Image

    folder = class_folders({"rose": 8, "tulip": 8})
    files = sorted(folder.rglob("*.png"))
    pixels = np.stack([np.asarray(Image.open(path))[None] for path in files])
    names = np.array([path.parent.name for path in files])

    def fitted(source: Any) -> torch.Tensor:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(30, 2))
        Model(network).compile().fit(AutoDataset(source), epochs=2, batch_size=4, seed=1)
        return network[1].weight.detach()

    table = {"image": [str(path) for path in files], "label": names}
    assert torch.equal(fitted(folder), fitted((pixels, names)))
    assert torch.equal(fitted(folder), fitted(table))


@pytest.mark.row("DA1")
def test_masks_are_targets_whichever_way_they_come() -> None:
    images = np.random.default_rng(0).normal(size=(24, 1, 4, 4)).astype(np.float32)
    masks = (images > 0).astype(np.float32)

    def fitted(source: Any) -> torch.Tensor:
        torch.manual_seed(0)
        network = nn.Conv2d(1, 1, 1)
        Model(network).compile().fit(AutoDataset(source), epochs=2, batch_size=4, seed=1)
        return network.weight.detach()

    tensors = torch.from_numpy(images), torch.from_numpy(masks)
    assert torch.equal(fitted(tensors), fitted((images, masks)))
    assert torch.equal(fitted(TensorDataset(*tensors)), fitted((images, masks)))


@pytest.mark.row("DA1")
def test_several_labels_are_targets_whichever_way_they_come() -> None:
    labels = (X > 0).astype(int)
    columns = dict(zip("pqr", labels.T, strict=True))
    names = [[name for name, there in zip("pqr", row, strict=True) if there] for row in labels]

    def fitted(source: Any, **told: Any) -> torch.Tensor:
        torch.manual_seed(0)
        network = nn.Linear(3, 3)
        Model(network).compile().fit(AutoDataset(source, **told), epochs=2, batch_size=8, seed=1)
        return network.weight.detach()

    expected = fitted((X, labels))
    inputs = {name: X[:, number] for number, name in enumerate("abc")}
    assert torch.equal(fitted({**inputs, **columns}, target=list("pqr")), expected)
    assert torch.equal(fitted({**inputs, "labels": names}), expected)
