"""Rows that are measured and were trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.labelled import labelled
from gradfleet.data.trained_rows import num_both, said_of_trained


@pytest.mark.parametrize("shape", [(3,), (1, 8, 8), (3, 64, 64)], ids=["columns", "a small image", "a large image"])
def test_rows_are_found_again_by_all_of_their_bytes(shape: tuple[int, ...]) -> None:
    trained = torch.randint(0, 256, (20, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([trained[3:9], trained[3:4], trained[:2] ^ 1])
    assert num_both(rows, trained) == 7
    corner = trained[:5].clone()
    corner.flatten(1)[:, 0] ^= 1
    assert num_both(corner, trained) == 0, "the middle of a large row does not say it all"
    assert num_both(trained.bool(), trained[:1].float()) == 0
    assert num_both(trained[:0], trained) == num_both(trained, trained[:0]) == 0


def test_rows_of_a_table_a_pair_and_of_texts_are_counted_in_whatever_form_they_come(tmp_path: Path) -> None:
    numbers = pandas.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) ** 2, "label": ["x", "y"] * 20})
    texts = pandas.DataFrame({"text": [f"a text of {number}" for number in range(40)], "label": ["x", "y"] * 20})
    for name, frame in (("numbers", numbers), ("texts", texts)):
        data = AutoDataset(frame)
        ref = data.prepare(tmp_path / name)
        frame[:10].to_csv(tmp_path / "held.csv", index=False)
        trained = num_both(labelled(tmp_path / "held.csv", ref.open().facts).examples.inputs, ref.open().train.inputs)
        assert 0 < trained < 10, "others validate"
        said = f"{trained} of these 10 rows occur among those that the model was trained on, so it looks better than it"
        pair = (frame["text"][:10].tolist(), frame["label"][:10].tolist()) if name == "texts" else frame[:10]
        for held in (tmp_path / "held.csv", pair):
            (note,) = said_of_trained(labelled(held, ref.open().facts).examples, Path(ref.place))
            assert note.startswith(said)
        first = frame.columns[0]
        other = frame[:10].assign(**{first: frame[first] + ("!" if name == "texts" else 0.5)})
        assert said_of_trained(labelled(other, ref.open().facts).examples, Path(ref.place)) == ()


def test_nothing_is_said_where_the_training_data_is_not_at_hand(tmp_path: Path) -> None:
    ref = AutoDataset((torch.rand(20, 3), [0, 1] * 10)).prepare(tmp_path)
    train = ref.open().train
    assert said_of_trained(train, Path(ref.place))[0].startswith("16 of these 16 rows occur among those")
    assert said_of_trained(train, None) == ()
    shutil.rmtree(ref.place)
    assert said_of_trained(train, Path(ref.place)) == ()
