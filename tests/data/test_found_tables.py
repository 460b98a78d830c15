from __future__ import annotations

from pathlib import Path

import pandas
import pytest

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.labelled import labelled
from gradfleet.errors import DataError

FRAME = pandas.DataFrame({"text": [f"film {n}, so good" for n in range(12)], "label": ["neg", "pos"] * 6})


@pytest.mark.row("DA1")
def test_a_saved_hugging_face_dataset_is_the_same_data(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    rows = {"text": FRAME["text"].tolist(), "label": [0, 1] * 6}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    dataset.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": dataset, "validation": dataset, "test": dataset}).save_to_disk(str(tmp_path / "all"))
    expected = AutoDataset(FRAME)
    assert AutoDataset(dataset).fingerprint == AutoDataset(tmp_path / "one").fingerprint == expected.fingerprint
    parts = AutoDataset(tmp_path / "all").open()
    assert parts.facts.num_rows == {"train": 12, "validation": 12}
    assert len(parts.test) == 12


def test_a_folder_of_tables_has_its_parts_in_the_names(tmp_path: Path) -> None:
    for name in ("train.csv", "dev.csv", "test.csv"):
        FRAME.to_csv(tmp_path / name, index=False)
    opened = AutoDataset(tmp_path).open()
    with pytest.raises(DataError, match="has parts, 'validation', 'test', 'train', and one of them is needed"):
        labelled(tmp_path, opened.facts)
    assert opened.facts.num_rows == {"train": 12, "validation": 12}
    assert len(opened.test) == 12
    (tmp_path / "train.csv").rename(tmp_path / "mine.csv")
    with pytest.raises(DataError, match=r"has the tables 'dev\.csv', 'mine\.csv', 'test\.csv'\. Call them train"):
        AutoDataset(tmp_path)


def test_parts_of_a_dict_are_tables_of_their_own() -> None:
    opened = AutoDataset({"train": FRAME, "validation": FRAME[:4]}).open()
    assert opened.facts.num_rows == {"train": 12, "validation": 4}
