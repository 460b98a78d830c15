from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.language import PretrainedTokenizer, TextPreparation, TrainedTokenizer
from gradfleet.data.loaders import make_batches
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.prepared import DataFacts
from gradfleet.data.ragged import Ragged, Strings
from gradfleet.errors import DataError, SettingError

TEXTS = [f"{'good' if n % 2 else 'bad'} film number {n}" + " and more" * (n % 5) for n in range(40)]
TABLE = {"text": TEXTS, "label": ["pos" if n % 2 else "neg" for n in range(40)]}


def test_texts_are_prepared_once_and_mapped_again(tmp_path: Path) -> None:
    ref = AutoDataset(TABLE).prepare(tmp_path)
    opened = ref.open()
    preparation = preparation_from_json(opened.facts.preparation)
    texts = opened.train.inputs.texts
    again = preparation.inputs(list(texts))
    rows = torch.tensor([3, 0, 7])
    for name, values in opened.train.inputs.take(rows).items():
        assert torch.equal(values, again.take(rows)[name])
    assert opened.facts.vocabulary_size == opened.facts.tokens["trained"]["vocabulary_size"]
    assert opened.facts.input_shape == (opened.facts.max_length,) == (256,)
    assert DataFacts.from_json(json.loads(json.dumps(opened.facts.to_json()))) == opened.facts


def test_a_batch_is_padded_to_its_own_longest_text() -> None:
    examples = AutoDataset(TABLE).open().train
    lengths = examples.inputs.lengths
    for inputs, targets in make_batches(examples, batch_size=5, shuffle=True, seed=0).epoch(1):
        there = inputs["attention_mask"].sum(1)
        assert inputs["input_ids"].shape == (len(targets), there.max())
        assert (inputs["input_ids"][inputs["attention_mask"] == 0] == 0).all()
        assert set(there.tolist()) <= set(lengths.tolist())


def test_an_epoch_has_every_text_once_with_its_target_and_is_repeated_by_its_number() -> None:
    examples = AutoDataset(TABLE).open().train
    batches = make_batches(examples, batch_size=5, shuffle=True, seed=0)
    preparation = TextPreparation().fit(TEXTS)

    def seen(number: int) -> list[tuple[tuple[int, ...], int]]:
        return [
            (tuple(row[mask == 1].tolist()), int(target))
            for inputs, targets in batches.epoch(number)
            for row, mask, target in zip(inputs["input_ids"], inputs["attention_mask"], targets, strict=True)
        ]

    first = seen(1)
    assert first == seen(1) != seen(2)
    expected = {tuple(examples.inputs.tokens["trained"].row(n).tolist()): int(examples.targets[n]) for n in range(32)}
    assert dict(first) == expected
    assert len(first) == len(expected) == batches.num_batches * 5 - 3
    assert preparation.name == "text"


def test_bucketed_batches_save_padding_and_others_stay_in_order() -> None:
    def padding(*, bucketed: bool) -> int:
        examples = AutoDataset(TABLE, preparation=TextPreparation(bucketed=bucketed)).open().train
        batches = make_batches(examples, batch_size=4, shuffle=True, seed=0)
        return sum(int((inputs["attention_mask"] == 0).sum()) for inputs, _ in batches.epoch(1))

    assert padding(bucketed=True) < padding(bucketed=False)
    examples = AutoDataset(TABLE).open().validation
    in_order = [
        target
        for _, targets in make_batches(examples, batch_size=3, shuffle=False, seed=0).epoch(0)
        for target in targets
    ]
    assert torch.equal(torch.stack(in_order), examples.targets)


def test_the_tokenizer_learns_from_training_texts_alone() -> None:
    strange = {"text": ["zyzzyva zyzzyva"] * 40, "label": TABLE["label"]}
    plain, other = (
        AutoDataset(TABLE, validation=validation).open().facts.preparation for validation in (TABLE, strange)
    )
    assert plain == other


def test_any_language_and_any_sign_comes_back_from_its_tokens() -> None:
    preparation = TextPreparation({"own": TrainedTokenizer(lowercase=False)}).fit(TEXTS)
    for text in ("Größe, 漢字 und ελληνικά", "🙂 tab", "", "x" * 100):
        assert preparation.decode(preparation.apply(text)) == text


def test_tags_of_a_text_are_no_marks() -> None:
    preparation = TextPreparation().fit(["so good", "so bad"])
    (tokens,) = preparation.encode(["<s>old</s> <b>new</b> <pad> <mask>"], "trained")
    assert [tokens.count(mark) for mark in (0, 1, 2, 3)] == [0, 1, 1, 0]
    assert preparation.decode(torch.tensor(tokens)) == "<s>old</s> <b>new</b> <pad> <mask>"


def test_a_long_text_is_cut_and_keeps_its_end() -> None:
    preparation = TextPreparation(max_length=16).fit(TEXTS)
    tokens = preparation.apply("good film " * 1_000_000)
    assert len(tokens) == 16
    assert (tokens[0], tokens[-1]) == (1, 2)


def test_a_text_of_parts_has_one_start_and_an_end_behind_each_part() -> None:
    preparation = TextPreparation(max_length=20).fit(["so good", "so bad"])
    one, two = (preparation.encode([text], "trained")[0] for text in ("so good", "so bad"))
    read = preparation.inputs_of_parts([["so good", "so bad"], [""], ["so bad"] * 9], "trained")
    assert list(read.texts) == ["so good so bad", "", " ".join(["so bad"] * 9)]
    rows = [read.tokens["trained"].row(number).tolist() for number in range(3)]
    assert rows[:2] == [[*one, *two[1:]], [1, 2]]
    assert len(rows[2]) == 20


def test_parts_keep_their_first_words_where_a_tokenizer_has_no_start_mark() -> None:
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    trained = TrainedTokenizer().fit(["so good", "so bad"])
    engine = Tokenizer.from_str(trained.content)
    engine.post_processor = TemplateProcessing(single="$A <|end|>", special_tokens=[("<|end|>", 2)])
    preparation = TextPreparation({"ends": replace(trained, content=engine.to_str())})
    read = preparation.inputs_of_parts([["so good", "bad so"]], "ends")
    assert read.tokens["ends"].row(0).tolist() == [
        token for part in preparation.encode(["so good", "bad so"], "ends") for token in part
    ]


def test_a_pretrained_tokenizer_is_read_from_its_folder_and_kept(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    trained = TrainedTokenizer().fit(TEXTS)
    from tokenizers import Tokenizer

    fast = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(trained.content), pad_token="<|pad|>", bos_token="<|start|>"
    )
    fast.save_pretrained(tmp_path / "encoder")
    views = {"own": TrainedTokenizer(lowercase=False), "encoder": PretrainedTokenizer(str(tmp_path / "encoder"))}
    opened = AutoDataset(TABLE, preparation=TextPreparation(views)).open()
    rows = torch.tensor([0, 1])
    expected = fast([opened.train.inputs.texts[0], opened.train.inputs.texts[1]], padding=True)["input_ids"]
    seen = opened.train.seen_as("encoder")
    assert seen.inputs.take(rows)["input_ids"].tolist() == expected
    assert opened.facts.seen_as("encoder").vocabulary_size == len(fast)
    assert not torch.equal(opened.train.inputs.take(rows)["input_ids"], seen.inputs.take(rows)["input_ids"])
    with pytest.raises(SettingError, match=r"No tokenizer of this data is called 'encodr'\. Did you mean 'encoder'\?"):
        opened.train.seen_as("encodr")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    preparation = TextPreparation({"encoder": PretrainedTokenizer(str(tmp_path))})
    with pytest.raises(DataError, match=r"No tokenizer can be read from .*, or a TrainedTokenizer\(\)"):
        AutoDataset(TABLE, preparation=preparation).open()


def test_texts_to_be_written_are_targets_with_what_the_decoder_reads() -> None:
    table = {"document": TEXTS, "summary": [text.split(" and")[0] for text in TEXTS]}
    opened = AutoDataset(table, kind="text").open()
    assert opened.facts.kind == "text"
    assert opened.facts.num_outputs == opened.facts.vocabulary_size
    inputs, targets = next(make_batches(opened.train, batch_size=6, shuffle=True, seed=0).epoch(1))
    read = inputs["decoder_input_ids"]
    assert read.shape == targets.shape
    assert (read[:, 0] == 1).all()
    for row_read, row in zip(read, targets, strict=True):
        written = row[row >= 0]
        assert torch.equal(row_read[1 : len(written)], written[:-1])
        assert written[-1] == 2
    preparation = preparation_from_json(opened.facts.preparation)
    first = opened.train.targets
    assert preparation.decode(first.take(torch.tensor([0]))[0]) == first.texts[0]


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(DataError, match="Text 1 needs to be a string, got int"):
        TextPreparation().fit(TEXTS).inputs(["fine", 3])


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="at least 4 tokens, got max_length=2"):
        TextPreparation(max_length=2)
    with pytest.raises(DataError, match="at least 300 tokens, 256 of them for bytes, got 100"):
        TrainedTokenizer(vocabulary_size=100)
    with pytest.raises(DataError, match="at least one tokenizer"):
        TextPreparation({})


def test_ragged_rows_and_strings_survive_being_empty() -> None:
    rows = Ragged.of([[], [1, 2], []])
    numbers, there = rows.padded(torch.tensor([0, 2]), padding=9)
    assert numbers.tolist() == [[9], [9]]
    assert not there.any()
    assert list(Strings.of(["", "ä", ""])) == ["", "ä", ""]
    assert Strings.of(["a", "b", "c"])[1:] == ["b", "c"]
    with pytest.raises(IndexError):
        Strings.of(["a"])[1]
