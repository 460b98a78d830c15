"""AutoSummarizer: texts with their summaries are enough."""

from __future__ import annotations

import random
from pathlib import Path

import pandas
import pytest

from autotasks import AutoSummarizer
from autotasks.rouge import rouge
from autotasks.sentences import split_sentences
from gradfleet import Bundle
from gradfleet.errors import DataError, SettingError


def reports(rows: int, *, seed: int = 0) -> pandas.DataFrame:
    """Four sentences each, in any order; the one on what was found is the summary."""
    draw = random.Random(seed)
    texts, summaries = [], []
    for number in range(rows):
        thing = draw.choice(["copper", "barley", "granite", "cotton"])
        found = f"We found that {thing} improves yield by {number} percent."
        others = [f"Much is known about {thing}.", "Nobody had looked so far!", f"Sample {number} was kept dry."]
        sentences = draw.sample([found, *others], 4)
        texts.append(" ".join(sentences))
        summaries.append(found)
    return pandas.DataFrame({"text": texts, "summary": summaries})


@pytest.fixture(scope="module")
def summarizer(tmp_path_factory: pytest.TempPathFactory) -> AutoSummarizer:
    place = tmp_path_factory.mktemp("reports")
    reports(80).to_json(place / "reports.jsonl", orient="records", lines=True)
    made = AutoSummarizer(place / "reports.jsonl")
    return made.fit(trials=3, cluster="inline", store=place / "g.db", progress=False)


def test_what_makes_a_summary_is_learned_and_compared_with_the_first_sentences(summarizer: AutoSummarizer) -> None:
    board = summarizer.leaderboard().set_index("trial")
    assert list(board.loc[[0, 1], "architecture"]) == ["extractive", "lead"]
    assert summarizer.study.trial(0).value == pytest.approx(1.0)
    assert summarizer.study.trial(1).metrics["val_rouge1"] < 0.9
    text = "Nobody had looked so far! We found that copper improves yield by 7 percent. Sample 1 was kept dry."
    assert summarizer.predict([text]) == ["We found that copper improves yield by 7 percent."]


def test_held_out_texts_are_measured_with_each_row_the_worst_first(summarizer: AutoSummarizer) -> None:
    measured = summarizer.evaluate(reports(20, seed=1))
    assert set(measured) == {"rouge1", "rouge2", "rougeL"}
    assert measured["rougeL"] > 0.9
    assert measured.details["rows"]["rouge1"].is_monotonic_increasing
    pair = (["One thing. Another thing."], ["One thing."])
    assert 0 < summarizer.evaluate(pair)["rouge1"] <= 1


@pytest.mark.row_part("ES4")
def test_a_bundle_writes_the_same_summaries_and_was_checked_in_a_new_process(
    summarizer: AutoSummarizer, tmp_path: Path
) -> None:
    done = summarizer.export(tmp_path / "out")
    assert done.score is not None
    assert done.score.measured == pytest.approx(summarizer.study.best.value)
    odd = ["", "No end", "電影很好看。很好。", "word " * 50_000, "\n\n"]
    assert Bundle.load(tmp_path / "out").predict(odd) == summarizer.predict(odd)


def test_what_it_does_not_do_is_said(summarizer: AutoSummarizer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"A summary has no probabilities; use predict\(\)"):
        summarizer.predict_proba(["A text."])
    with pytest.raises(SettingError, match=r"No pretrained text encoder or encoder-decoder can be read .* leave backb"):
        AutoSummarizer(reports(20), backbones=[tmp_path / "none"])


def test_summaries_that_are_longer_than_their_texts_are_learned_from(tmp_path: Path) -> None:
    table = reports(20).rename(columns={"text": "summary", "summary": "text"})
    summarizer = AutoSummarizer(table, inputs="text", target="summary")
    summarizer.fit(trials=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert summarizer.predict(["Short."]) == ["Short."]


def test_sentences_end_at_marks_and_lines() -> None:
    assert split_sentences('He said "no." Then he left!\nPause 3.5 s? 好。是') == [
        'He said "no.', "Then he left!", "Pause 3.5 s?", "好。", "是",
    ]  # fmt: skip
    assert split_sentences("  ") == [""]
    assert split_sentences("他说「好。」然后走了。真的") == ["他说「好。」", "然后走了。", "真的"]
    assert split_sentences("वह गया। वह आया।") == ["वह गया।", "वह आया।"]


def test_an_abbreviation_ends_no_sentence_that_goes_on() -> None:
    assert split_sentences("Dr. Smith met Mr. White at 5 p.m. in the U.S. office. He left the U.S. We stayed.") == [
        "Dr. Smith met Mr. White at 5 p.m. in the U.S. office.", "He left the U.S.", "We stayed.",
    ]  # fmt: skip
    assert split_sentences("As Lin et al. (2004) say, e.g. Rouge. See Lin et al. It counts.\nDr.\nWho") == [
        "As Lin et al. (2004) say, e.g. Rouge.", "See Lin et al.", "It counts.", "Dr.", "Who",
    ]  # fmt: skip


def test_what_has_no_marks_is_read_in_parts_of_a_sentences_length() -> None:
    spoken = " ".join(f"word{number}" for number in range(150))
    parts = split_sentences(spoken)
    assert [len(part.split()) for part in parts] == [60, 60, 30]
    assert " ".join(parts) == spoken
    assert split_sentences(" ".join(f"w{number}{',' * (number == 49)}" for number in range(70)))[0].endswith(" w49,")
    assert [len(part) for part in split_sentences("今天天气很好、我们去公园" * 25)] == [151, 149]
    assert [len(part) for part in split_sentences("สวัสดีครับ" * 40)] == [160, 160, 80]
    assert [len(part) for part in split_sentences("x" * 1000)] == [480, 480, 40]
    assert split_sentences("a" + " " * 2000 + "b") == ["a", "b"]
    assert len(split_sentences("cat " * 2_500_000)) == 100


@pytest.mark.parametrize("number", [0, 1])
def test_the_summary_of_a_long_text_without_marks_is_a_part_of_it(summarizer: AutoSummarizer, number: int) -> None:
    (found,) = summarizer.study.trial(number).model().predict(["cat " * 500_000])
    assert 0 < len(found) < 2_000


def test_rouge_is_that_of_the_library() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    pairs = [(row.text, row.summary) for row in reports(20).itertuples()]
    pairs += [
        ("Studies of studying: the studied, it's 3.5%!", "He studies foxes' DENS quickly; co-operating"),
        ("", "a"),
    ]
    theirs = [
        RougeScorer(["rougeL"], use_stemmer=True).score(wanted, text)["rougeL"].fmeasure for text, wanted in pairs
    ]
    assert rouge(*zip(*pairs, strict=True))["rougeL"].tolist() == theirs
    found = rouge(["the cat sat"], ["the cats sat down"])
    assert found["rouge1"][0] == pytest.approx(2 * 3 / (3 + 4)), "stemmed: cats counts as cat"
    assert found["rouge2"][0] == pytest.approx(2 * 2 / (2 + 3))


def test_rouge_counts_words_of_every_script() -> None:
    assert rouge(["кот сидел тихо"], ["Кот сидел."])["rouge1"][0] == pytest.approx(2 * 2 / (2 + 3))
    assert rouge(["猫が座る"], ["猫が寝る"])["rouge1"][0] == pytest.approx(3 / 4)
    assert rouge(["собака"], ["кот"])["rouge1"][0] == 0
    assert rouge(["a café for two"], ["a café for two"])["rougeL"][0] == 1.0


def test_summaries_longer_than_their_texts_are_counted_and_said() -> None:
    table = reports(20)
    table.loc[:2, "summary"] = table["text"] + " And more."
    notes = AutoSummarizer(table).data.notes
    assert "In 3 rows the text to be written is longer than the one that is read." in notes
