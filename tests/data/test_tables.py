from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.items import inputs_of
from gradfleet.data.language import TextPreparation
from gradfleet.data.tables import read_table
from gradfleet.errors import DataError

TEXTS = [f"{'good' if number % 2 else 'bad'} film number {number}" for number in range(20)]
LABELS = ["pos" if number % 2 else "neg" for number in range(20)]
FRAME = pandas.DataFrame({"text": TEXTS, "label": LABELS})


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def test_every_kind_of_table_is_the_same_data(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    FRAME.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    FRAME.to_csv(tmp_path / "a.csv.gz", index=False)
    FRAME.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    FRAME.to_json(tmp_path / "a.json", orient="records")
    FRAME.to_parquet(tmp_path / "a.parquet")
    sources: list[Any] = [FRAME, FRAME.to_dict("list"), FRAME.to_dict("records"), *sorted(tmp_path.iterdir())]
    opened = [AutoDataset(source) for source in sources]
    assert len(opened) == 9
    assert len({data.fingerprint for data in opened}) == 1
    assert [list(data.open().validation.inputs.texts) for data in opened[1:]] == [
        list(opened[0].open().validation.inputs.texts)
    ] * 8


def test_columns_are_guessed_by_name_and_said() -> None:
    frame = FRAME.assign(id=range(20), source="web")
    data = AutoDataset(frame)
    assert data.notes[0] == "From 'text' the model learns 'label'; not used: 'id', 'source'."
    assert data.labels == ("neg", "pos")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("Review", "Sentiment"), "From 'Review' the model learns 'Sentiment'."),
        (("what they wrote", "stars"), "From 'what they wrote' the model learns 'stars'."),
        (("document", "summary"), "From 'document' the model learns 'summary'."),
    ],
)
def test_other_names_are_found_too(names: tuple[str, str], said: str) -> None:
    assert AutoDataset(FRAME.set_axis(list(names), axis=1)).notes[0] == said


def test_columns_can_be_given() -> None:
    frame = FRAME.assign(title="a title", kind=["x", "y"] * 10)
    data = AutoDataset(frame, inputs="title", target="kind")
    assert data.notes[0] == "From 'title' the model learns 'kind'; not used: 'text', 'label'."
    with pytest.raises(DataError, match=r"No column is called 'titel'\. Did you mean 'title'\?") as caught:
        AutoDataset(frame, inputs="titel", target="knd")
    assert len(caught.value.problems) == 2
    with pytest.raises(DataError, match="an input or the target, not both: 'text'"):
        AutoDataset(frame, inputs="text", target="text")
    with pytest.raises(DataError, match=r"No column is called as a target .*'a', 'b', 'c'.*target="):
        AutoDataset({"a": [1, 2], "b": [1, 2], "c": [1, 2]})


def test_a_split_column_is_honoured() -> None:
    parts = ["train"] * 10 + ["dev"] * 6 + ["test"] * 4
    data = AutoDataset(FRAME.assign(split=parts))
    opened = data.open()
    assert list(opened.train.inputs.texts) == TEXTS[:10]
    assert list(opened.validation.inputs.texts) == TEXTS[10:16]
    assert "'split' is the split" in data.notes[0]
    with pytest.raises(DataError, match=r"'split' needs to say train, validation .* got 'hold'"):
        AutoDataset(FRAME.assign(split=["train", "hold"] * 10), split="split")
    with pytest.raises(DataError, match=r"'split' needs rows that train, got only 'validation', 'test'"):
        AutoDataset(FRAME.assign(split=["dev", "test"] * 10))


@pytest.mark.row("DA10")
def test_rows_of_no_part_are_refused_by_name_or_left_out() -> None:
    parts = ["train"] * 10 + ["Val "] * 4 + ["test"] * 3 + ["unlabeled", None, ""]
    with pytest.raises(
        DataError, match=r"'split' needs to say .*, got 'unlabeled' and nothing in 3 rows .*: 17, 18, 19"
    ):
        AutoDataset(FRAME.assign(split=parts))
    data = AutoDataset(FRAME.assign(split=parts), on_bad_rows="skip")
    opened = data.open()
    assert (opened.facts.num_rows, len(opened.test)) == ({"train": 10, "validation": 4}, 3)
    assert data.notes[1].startswith("Left out: The column 'split' needs to say")
    learned = AutoDataset(FRAME.assign(split=["train", "bus"] * 10), target="split")
    assert learned.labels == ("bus", "train"), "a column that is named for something else is no split"


def test_a_split_column_with_other_words_is_no_split() -> None:
    assert "not used: 'split'" in AutoDataset(FRAME.assign(split=["yes", "no"] * 10)).notes[0]


@pytest.mark.row("DA10")
def test_quoted_newlines_and_delimiters_stay_within_their_cell(tmp_path: Path) -> None:
    texts = ['one, "two"\nthree', "plain", "a;b", "x\r\ny"]
    pandas.DataFrame({"text": texts, "label": [0, 1, 0, 1]}).to_csv(tmp_path / "a.csv", index=False)
    frame, said = read_table(tmp_path / "a.csv")
    assert frame["text"].tolist() == texts
    assert said == []


@pytest.mark.row("DA10")
@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_delimiter_is_found_and_said(tmp_path: Path, delimiter: str, word: str) -> None:
    FRAME.assign(text=FRAME["text"] + ", indeed").to_csv(tmp_path / "a.csv", index=False, sep=delimiter)
    data = AutoDataset(tmp_path / "a.csv")
    assert data.labels == ("neg", "pos")
    assert data.notes[0] == f"a.csv has its cells between {word}."


@pytest.mark.row("DA10")
def test_another_encoding_is_found_and_said(tmp_path: Path) -> None:
    content = "text,label\n" + "".join(f"caf\xe9 {number},{number % 2}\n" for number in range(8))
    latin = AutoDataset(write(tmp_path / "latin.csv", content, "cp1252"))
    assert latin.notes[0] == "latin.csv is not UTF-8 (byte 0xe9), so it was read as Windows-1252."
    for encoding, text in (
        ("koi8-r", "очень хороший фильм"),
        ("cp1253", "πολύ καλή ταινία"),
        ("gbk", "这部电影非常好看"),
    ):
        with pytest.raises(
            DataError, match=r"nor any encoding that can be told\. Save it as UTF-8\. In Python, a frame"
        ):
            AutoDataset(write(tmp_path / "other.csv", content.replace("é", text), encoding))
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        data = AutoDataset(write(tmp_path / "a.csv", content, encoding))
        assert data.fingerprint == latin.fingerprint
        assert len(data.notes) == len(latin.notes) - 1
    (tmp_path / "odd.csv").write_bytes(b"text,label\ncaf\x81,1\n")
    with pytest.raises(DataError, match=r"odd\.csv is not UTF-8 \(byte 0x81\), nor any .*Save it as UTF-8"):
        AutoDataset(tmp_path / "odd.csv")


@pytest.mark.row("DA10")
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_json_is_read_in_the_encodings_that_a_csv_is(tmp_path: Path, name: str) -> None:
    rows = [json.dumps({"text": f"café {number}", "label": number % 2}, ensure_ascii=False) for number in range(8)]
    content = "\n".join(rows) if name == "a.jsonl" else f"[{','.join(rows)}]"
    expected = AutoDataset(write(tmp_path / name, content))
    for encoding in ("utf-8-sig", "utf-16"):
        data = AutoDataset(write(tmp_path / name, content, encoding))
        assert (data.fingerprint, data.notes) == (expected.fingerprint, expected.notes)
    latin = AutoDataset(write(tmp_path / name, content, "cp1252"))
    assert latin.fingerprint == expected.fingerprint
    assert latin.notes[0] == f"{name} is not UTF-8 (byte 0xe9), so it was read as Windows-1252."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "needs a header and at least two columns"),
        ("text\nso good\nso bad\n", r"at least two columns .* its first line is 'text'"),
        ("text,label\n", "has no rows"),
        ("text,label\na,1\nb,0,extra\nc,1\n", r"expected 2 fields in line 3, saw 3\. .*on_bad_rows=\"skip\""),
        (
            "text,label\n" + "so, so good,1\n" * 9,
            r"as many cells in each line as in the first: the header has 2, row 1 has 3",
        ),
        ('text,label\n"a,1\nb,0\n', r"has a quote \(\"\) that is opened in row \d and never closed"),
        ("text,label,label\na,1,1\nb,0,0\n", r"'label' 2 times"),
        ("text,label\na,1\x00\n", "holds zero bytes, so it is no text file"),
    ],
)
def test_a_damaged_csv_is_refused_by_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AutoDataset(write(tmp_path / "a.csv", content))


def test_lines_with_too_many_cells_are_left_out_when_asked_and_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\na,1\nb,0,extra\nc,1\nd,0\ne,0\n")
    data = AutoDataset(path, on_bad_rows="skip")
    assert data.open().facts.num_rows == {"train": 2, "validation": 2}
    assert "Left out 1 line" in data.notes[0]
    assert "line 3: expected 2 fields, saw 3" in data.notes[0]


def test_numbers_are_numbers_and_post_codes_are_not(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "whole,real,code,gap,word\n1,1.5,01067,3,null\n2,NA,10115,,x\n")
    frame, _ = read_table(path)
    assert [dtype.kind for dtype in frame.dtypes] == ["i", "f", "O", "i", "O"]
    assert frame["code"].tolist() == ["01067", "10115"]
    assert frame["word"].tolist() == ["null", "x"]
    assert frame["gap"].isna().tolist() == [False, True]


def test_json_lines_name_the_line_that_is_broken(tmp_path: Path) -> None:
    rows = [json.dumps({"text": text, "label": label}) for text, label in zip(TEXTS, LABELS, strict=True)]
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write("\n".join(rows))
    assert AutoDataset(tmp_path / "a.jsonl.gz").labels == ("neg", "pos")
    with pytest.raises(DataError, match=r"Line 3 of .*b\.jsonl is no JSON"):
        AutoDataset(write(tmp_path / "b.jsonl", "\n".join([*rows[:2], "{", *rows[2:]])))
    with pytest.raises(DataError, match=r"Line 1 of .*c\.jsonl needs an object such as .*, got list"):
        AutoDataset(write(tmp_path / "c.jsonl", "[1]\n"))


@pytest.mark.row("DA10")
def test_rows_with_nothing_in_them_are_named_all_at_once() -> None:
    frame = FRAME.copy()
    frame.loc[[2, 5], "text"] = None
    frame.loc[7, "text"] = ""
    frame.loc[9, "label"] = None
    with pytest.raises(DataError) as caught:
        AutoDataset(frame)
    assert caught.value.problems == (
        "The train data has nothing in 'text' in 3 rows (the first row is 0): 2, 5, 7.",
        "The train data has no target in 'label' in 1 row (the first row is 0): 9.",
        'Pass on_bad_rows="skip" to leave these rows out.',
    )
    data = AutoDataset(frame, on_bad_rows="skip")
    assert sum(data.open().facts.num_rows.values()) == 16
    assert data.notes[1] == "Left out: The train data has nothing in 'text' in 3 rows (the first row is 0): 2, 5, 7."
    with pytest.raises(DataError, match=r"nothing in 'text' in 20 rows.*\n.*No row of the train data is left"):
        AutoDataset(FRAME.assign(text=""), on_bad_rows="skip")
    with pytest.raises(DataError) as caught:  # to leave all of them out is no way out
        AutoDataset(FRAME.assign(text=None), inputs="text")
    assert caught.value.problems[-1] == (
        "No row of the train data is left. Name other columns with inputs= and target=, or look at the file."
    )
    with pytest.raises(DataError, match=r"^There is no file .*nothere\.csv\.$"):
        AutoDataset("nothere.csv")


@pytest.mark.row("DA10")
def test_a_label_for_each_row_is_refused() -> None:
    frame = pandas.DataFrame({"text": [f"text {n}" for n in range(10_000)], "label": [f"u{n}" for n in range(10_000)]})
    with pytest.raises(DataError, match=r"Each of the 10,000 training rows has a label of its own in 'label'"):
        AutoDataset(frame)


def test_floats_are_no_classes_unless_they_are_whole() -> None:
    whole = AutoDataset(FRAME.assign(label=[1.0, 2.0] * 10), kind="multiclass")
    assert whole.labels == ("1", "2")
    with pytest.raises(DataError, match=r"Classes need to be whole numbers or names, got the float 0\.5\..*regression"):
        AutoDataset(FRAME.assign(label=[0.5, 2.0] * 10), kind="multiclass")
    assert AutoDataset(FRAME.assign(label=[1.0, 2.0] * 10)).kind == "regression"
    assert AutoDataset(FRAME.assign(label=[1, 2] * 10), kind="regression").kind == "regression"


@pytest.mark.row("DA10")
def test_labels_that_training_never_saw_are_refused() -> None:
    with pytest.raises(DataError, match="never saw 'neutral'"):
        AutoDataset(FRAME, validation=FRAME.assign(label="neutral"))


@pytest.mark.row("DA10")
def test_validation_needs_the_columns_of_training() -> None:
    with pytest.raises(DataError, match=r"The validation data has no column 'label', which the training data has"):
        AutoDataset(FRAME, validation=FRAME[["text"]])


def test_several_labels_in_a_cell_are_multilabel() -> None:
    lists = [["a"], ["a", "b"], [], ["c"]] * 5
    opened = AutoDataset({"text": TEXTS, "label": lists}).open()
    assert (opened.facts.kind, opened.facts.labels) == ("multilabel", ("a", "b", "c"))
    assert opened.train.targets.sum(0).tolist() == [8, 4, 4] or opened.train.targets.shape == (16, 3)
    joined = ["|".join(labels) for labels in lists]
    data = AutoDataset({"text": TEXTS, "label": joined}, kind="multilabel")
    assert np.array_equal(data.open().train.targets, opened.train.targets)


def test_indicator_columns_are_multilabel_and_keep_their_names() -> None:
    frame = FRAME.assign(funny=[0, 1] * 10, sad=[1, 1, 0, 0] * 5)
    opened = AutoDataset(frame, inputs="text", target=["funny", "sad"]).open()
    assert (opened.facts.kind, opened.facts.labels) == ("multilabel", ("funny", "sad"))


def test_texts_and_labels_may_be_a_pair() -> None:
    data = AutoDataset((TEXTS, LABELS), validation=(TEXTS[:4], LABELS[:4]))
    assert data.labels == ("neg", "pos")
    assert list(data.open().validation.inputs.texts) == TEXTS[:4]
    with pytest.raises(DataError, match="a target for each text"):
        AutoDataset((TEXTS, LABELS[:3]))


@pytest.mark.parametrize("made", [np.array, pandas.Series, lambda texts: pandas.Series(texts, index=range(90, 110))])
def test_texts_of_a_pair_may_be_an_array_or_a_series(made: Any) -> None:
    expected = AutoDataset((TEXTS, LABELS))
    data = AutoDataset((made(TEXTS), made(LABELS)), preparation=TextPreparation())
    assert (data.form, data.fingerprint) == ("texts", expected.fingerprint)
    holed = AutoDataset((made([*TEXTS[:19], None]), LABELS), on_bad_rows="skip")
    assert sum(holed.open().facts.num_rows.values()) == 19


def test_numbers_are_texts_where_that_is_said() -> None:
    codes = {"code": range(100, 120), "label": LABELS}
    with pytest.raises(DataError, match=r"To read the numbers of 'code' as texts, say so: inputs='code'\."):
        AutoDataset(codes, preparation=TextPreparation())
    data = AutoDataset(codes, preparation=TextPreparation(), inputs="code", validation=codes, test=codes)
    assert "The numbers in 'code' are read as texts." in data.notes
    opened = data.open()
    assert list(opened.train.inputs.texts) == list(opened.test.inputs.texts) == [str(code) for code in range(100, 120)]
    assert list(inputs_of(codes, opened.facts).texts)[:2] == ["100", "101"]


@pytest.mark.parametrize("summaries", [range(20), [["a", "b"]] * 20])
@pytest.mark.parametrize("target", [None, "summary"])
def test_what_is_no_text_cannot_be_written(summaries: Any, target: str | None) -> None:
    rows = {"text": TEXTS, "summary": list(summaries), "number": range(20)}
    with pytest.raises(DataError, match=r"the column 'summary' holds other things, such as .* \((int|list)\)"):
        AutoDataset(rows, kind="text", target=target)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="Each column of a table needs a name of its own, got 'text' several times"):
        AutoDataset(FRAME.set_axis(["text", "text"], axis=1))


@pytest.mark.row("DA10")
@pytest.mark.parametrize("kind", ["json lines", "dict", "list", "pair", "frame"])
def test_half_a_character_is_replaced_and_counted(tmp_path: Path, kind: str) -> None:
    texts = ["tweet \ud83d", "whole \ud83d\ude00", *TEXTS[2:]]
    rows = [{"text": text, "label": label, "stars": 1} for text, label in zip(texts, LABELS, strict=True)]
    content = "\n".join(map(json.dumps, rows))
    frame = FRAME.assign(text=pandas.Series(texts, dtype=object))
    sources = {"list": rows, "dict": {"text": texts, "label": LABELS}, "pair": (texts, LABELS), "frame": frame}
    data = AutoDataset(write(tmp_path / "a.jsonl", content) if kind == "json lines" else sources[kind])
    counted = 1 if kind == "json lines" else 2  # JSON puts halves together
    assert data.notes[0].startswith(f"In {counted} row")
    assert data.notes[0].endswith("'text' has half a character, which is read as \ufffd.")
    read = [*data.open().train.inputs.texts, *data.open().validation.inputs.texts]
    assert {"tweet \ufffd", "whole \U0001f600"} < set(read)
    assert list(inputs_of(["a \ud83d b"], data.open().facts).texts) == ["a \ufffd b"]


@pytest.mark.row("DA10")
def test_a_table_without_names_is_refused_and_one_that_only_looks_so_can_be_said(tmp_path: Path) -> None:
    rows = [f"film {number},{'good' if number % 2 else 'bad'}" for number in range(20)]
    (tmp_path / "nameless.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"seems to have no names: 'bad' is what a column is called and what it holds"):
        AutoDataset(tmp_path / "nameless.csv")
    assert AutoDataset(tmp_path / "nameless.csv", inputs="film 0", target="bad").labels == ("bad", "good")
    (tmp_path / "named.csv").write_text("\n".join(["text,good", *rows]))
    assert AutoDataset(tmp_path / "named.csv").labels == ("bad", "good")


def test_labels_that_are_almost_alike_are_told(tmp_path: Path) -> None:
    data = AutoDataset({"text": [f"film {number}" for number in range(24)], "label": ["good", "Good ", "bad"] * 8})
    assert "The labels 'Good ', 'good' differ in case or spaces alone." in data.notes


def test_labels_that_look_like_several_are_told() -> None:
    rows = {"text": [f"film {number}" for number in range(24)], "label": ["sad", "sad|long", "long"] * 8}
    said = "Labels such as 'sad|long' look like several: AutoDataset(..., kind=\"multilabel\") takes them apart."
    assert said in AutoDataset(rows).notes
    assert AutoDataset(rows, kind="multilabel").labels == ("long", "sad")
    assert not any("look like several" in note for note in AutoDataset({**rows, "label": ["a|b", "c", "d"] * 8}).notes)


@pytest.mark.row("DA10")
@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.jsonl.gz"])
def test_a_packed_table_that_swells_without_end_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("gradfleet.data.unpacked_size._ALWAYS_FINE", 2**16)
    with gzip.open(tmp_path / name, "wb") as file:
        file.write(b"text,label\n" + b"a,b\n" * 2**20)
    with pytest.raises(
        DataError, match=rf"{name} has [\d,]+ bytes and unpacks to more than [\d,]+, which no table does"
    ):
        AutoDataset(tmp_path / name)


def test_a_feature_that_is_called_split_is_no_split() -> None:
    kinds = ["exam", "test", "quiz", "oral"] * 6
    data = AutoDataset({"split": kinds, "size": [1.0, 2.0] * 12, "label": ["a", "b"] * 12})
    assert data.open().facts.columns["inputs"] == ["split", "size"]


def test_categories_stay_categories_where_texts_are_looked_through() -> None:
    codes = pandas.Series([10_000, 10_001, 10_002] * 8).astype("category")
    words = pandas.Series(["x \ud83d", "y"] * 12, dtype=object)
    frame = pandas.DataFrame({"zip": codes, "self": words, "label": ["a", "b"] * 12})
    data = AutoDataset(frame, inputs=["zip", "self"])
    assert data.open().facts.input_shape[0] > 3, "a code is no number"
    assert [note for note in data.notes if "half a character" in note] == [
        "In 12 rows 'self' has half a character, which is read as \ufffd."
    ]
