from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from gradfleet.data.dataset import AutoDataset
from gradfleet.errors import DataError
from gradfleet.training.model import Model

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = np.array([0, 1] * 10)
TEXTS = {"text": [f"so {'good' if n % 2 else 'bad'}, number {n}" for n in range(20)], "label": [0, 1] * 10}


@pytest.mark.row("DA5")
def test_test_images_are_not_decoded_or_even_opened_before_the_final_call(
    class_folders: Any, decoded: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counts = {f"{part}/{label}": 3 for part in ("train", "val", "test") for label in "ab"}
    root = class_folders(counts)
    opened_files: list[str] = []
    path_open, plain_open = Path.open, builtins.open

    def note(path: Path, *args: Any, **options: Any) -> Any:
        opened_files.append(str(path))
        return path_open(path, *args, **options)

    def note_plain(path: Any, *args: Any, **options: Any) -> Any:
        opened_files.append(str(path))
        return plain_open(path, *args, **options)

    monkeypatch.setattr(Path, "open", note)
    monkeypatch.setattr(builtins, "open", note_plain)
    data = AutoDataset(root)
    prepared = data.prepare(tmp_path / "prepared").open()
    seen = [name for name in (*decoded, *opened_files) if "/test/" in name]
    assert seen == []
    assert len(decoded) == 12
    model = Model(nn.Sequential(nn.Flatten(), nn.Linear(30, 2))).compile()
    model.fit(prepared.train, prepared.validation, epochs=1)
    assert len(decoded) == 12
    model.evaluate(data)
    assert sum("/test/" in name for name in decoded) == 6
    assert len(prepared.test) == 6
    assert len(decoded) == 18


def test_what_was_learned_and_is_tested_too_is_counted_once_the_test_is_read(class_folders: Any) -> None:
    root = class_folders({f"{part}/{label}": 3 for part in ("train", "val", "test") for label in "ab"})
    (root / "test/a/000.png").write_bytes((root / "train/a/002.png").read_bytes())
    (root / "test/b/000.png").write_bytes((root / "val/b/002.png").read_bytes())
    images = AutoDataset(root)
    table = AutoDataset(TEXTS, test={**TEXTS, "text": [*TEXTS["text"][:2], *(f"new {n}" for n in range(18))]})
    for data, both in (
        (images, "2 images of the 6 that test occur among the images"),
        (table, "2 rows of the 20 that test occur among the rows"),
    ):
        said = f"{both} that train or validate too, so the test looks better than it is"
        assert len(data.open().train) > 0
        assert said not in " ".join(data.notes)
        assert len(data.open().test) > 0
        assert said in " ".join(data.notes)


class Counted(Dataset[Any]):
    """Counts how often an example is read."""

    reads = 0

    def __len__(self) -> int:
        return 20

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        self.reads += 1
        return torch.from_numpy(X[row]), int(Y[row])


@pytest.mark.row("DA5")
def test_a_test_dataset_is_not_read_before_the_final_call(tmp_path: Path) -> None:
    hidden = Counted()
    data = AutoDataset(Counted(), validation=Counted(), test=hidden)
    data.prepare(tmp_path)
    assert hidden.reads == 0
    model = Model(nn.Linear(3, 2)).compile()
    model.fit(data, epochs=1)
    assert hidden.reads == 0
    model.evaluate(data)
    assert hidden.reads == 20


@pytest.mark.row("DA5")
def test_a_test_file_may_come_into_being_when_everything_else_is_done(tmp_path: Path) -> None:
    import pandas

    file = tmp_path / "test.csv"
    data = AutoDataset(TEXTS, test=file)
    opened = data.prepare(tmp_path / "prepared").open()
    pandas.DataFrame({"text": ["so good", "so bad"], "label": [1, 0]}).to_csv(file, index=False)
    assert list(opened.test.inputs.texts) == ["so good", "so bad"]
    assert opened.test.targets.tolist() == [1, 0]


def test_rows_of_a_split_column_that_test_are_tokenized_at_the_end() -> None:
    data = AutoDataset({**TEXTS, "split": ["train"] * 12 + ["dev"] * 4 + ["test"] * 4})
    opened = data.open()
    assert "test" not in opened.facts.num_rows
    assert list(opened.test.inputs.texts) == TEXTS["text"][16:]


def test_what_is_wrong_with_the_test_data_is_said_when_it_is_read() -> None:
    data = AutoDataset((X, np.where(Y, "yes", "no")), test=(X[:2], ["yes", "maybe"]))
    opened = data.open()
    with pytest.raises(DataError, match="label of the test data .* never saw 'maybe'"):
        opened.test  # noqa: B018
    texts = AutoDataset({**TEXTS, "label": ["no", "yes"] * 10}, test={"text": ["a"], "label": ["maybe"]}).open()
    with pytest.raises(DataError, match="label of the test data .* never saw 'maybe'"):
        texts.test  # noqa: B018


@pytest.mark.row("DA10")
@pytest.mark.parametrize("test", ["given", "own"])
def test_rows_of_the_test_part_that_are_left_out_are_told_once_it_is_read(test: str) -> None:
    holed = {"text": [*TEXTS["text"][:19], None], "label": TEXTS["label"]}
    both = {"text": TEXTS["text"] + holed["text"], "label": TEXTS["label"] * 2, "split": ["train"] * 20 + ["test"] * 20}
    given = {"test": holed} if test == "given" else {}
    data = AutoDataset(TEXTS if given else both, on_bad_rows="skip", **given)
    data.open()
    told = "Left out: The test data has nothing in 'text' in 1 row (the first row is 0): "
    assert not any(told in note for note in data.notes)
    assert len(data.open().test) == 19
    assert any(told in note for note in data.notes)


def test_a_test_file_that_was_mended_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text('text,label\n"open,a\n')
    data = AutoDataset(TEXTS, test=tmp_path / "test.csv").open()
    with pytest.raises(DataError, match="never closed"):
        _ = data.test
    (tmp_path / "test.csv").write_text(f"text,label\nnew,{TEXTS['label'][0]}\n")
    assert len(data.test) == 1
