"""AutoTextClassifier: a table of texts is enough."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, T5Config, T5Model

from autotasks import AutoTextClassifier
from autotasks.portfolio import read_portfolio
from gradfleet import Bundle, Choice, Resources, Study, autotask
from gradfleet.errors import DataError, SettingError
from gradfleet.search.space import SearchSpace
from gradfleet.tasks import Situation
from tests.autotasks.small_texts import films


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> AutoTextClassifier:
    """Fitted on a file; trial 0 is a bag of tokens, trial 1 the linear baseline."""
    place = tmp_path_factory.mktemp("films")
    films(240).to_csv(place / "films.csv", index=False)
    classifier = AutoTextClassifier(place / "films.csv")
    return classifier.fit(trials=3, epochs=6, cluster="inline", store=place / "g.db", name="films", progress=False)


@pytest.mark.row("DA7")
def test_a_file_is_enough_from_training_to_labels(classifier: AutoTextClassifier) -> None:
    assert classifier.evaluate(films(60, seed=1))["accuracy"] > 0.95
    texts = ["The cast is lovely", "The cast is dreadful"]
    assert classifier.predict(texts) == ["good", "bad"]
    assert classifier.predict(pandas.DataFrame({"text": texts, "other": [1, 2]})) == ["good", "bad"]
    probabilities = classifier.predict_proba(texts)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    assert any("'text'" in note and "'label'" in note for note in classifier.data.notes), "guessed, and said"
    again = Study.attach("films", store=classifier.study.store_url).best.model()
    assert again.predict(texts) == ["good", "bad"], "found by the task's name, no trust needed"


def test_what_a_person_types_is_a_text_a_file_of_one_or_a_table_of_them(
    classifier: AutoTextClassifier, tmp_path: Path
) -> None:
    (tmp_path / "one.txt").write_text("The cast is dreadful")
    pandas.DataFrame({"text": ["The cast is lovely", "The plot is dull"], "id": [1, 2]}).to_csv(
        tmp_path / "more.csv", index=False
    )
    typed = ["The cast is lovely", str(tmp_path / "one.txt"), str(tmp_path / "more.csv")]
    found = classifier.study.best.predictions(typed)
    assert [(one["item"], one["label"]) for one in found] == [
        ("The cast is lovely", "good"),
        (str(tmp_path / "one.txt"), "bad"),
        ("The cast is lovely", "good"),
        ("The plot is dull", "bad"),
    ]
    (tmp_path / "texts.csv").write_text('text\nThe cast is lovely, I think\n"The plot, they say, is dull"\n')
    one_column = str(tmp_path / "texts.csv")
    assert classifier.predict(one_column) == ["good", "bad"]
    assert [one["item"] for one in classifier.study.best.predictions([one_column])] == [
        "The cast is lovely, I think",
        "The plot, they say, is dull",
    ]
    (tmp_path / "texts.csv").write_text("review\nThe cast is lovely\n")
    with pytest.raises(DataError, match=r"from the column 'text', which is missing here; the columns are 'review'"):
        classifier.predict(one_column)
    (tmp_path / "texts.csv").write_text("text,label\nwell, I think, it is dull, or not\nlovely\n")
    with pytest.raises(
        DataError, match=r"in each line as in the first: the header has 2, row 1 has 4\. Put texts .* between quotes"
    ):
        classifier.predict(one_column)
    for missing in ("nothere.csv", "nothere.txt"):
        with pytest.raises(DataError, match=f"There is no file '{missing}'"):
            classifier.study.best.predictions([missing])


def test_a_backbone_without_a_tokenizer_or_with_another_ones_or_that_writes_is_refused_at_once(
    encoder: Path, tmp_path: Path
) -> None:
    bare, wrong, writer = (tmp_path / name for name in ("bare", "wrong", "writer"))
    AutoModel.from_pretrained(encoder).save_pretrained(bare)
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=20, **small)).save_pretrained(wrong)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(wrong)
    T5Model(T5Config(vocab_size=300, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=1)).save_pretrained(writer)
    with pytest.raises(SettingError) as refused:
        AutoTextClassifier(films(20), backbones=[bare, wrong, writer])
    assert [problem.partition(": ")[2].partition(". Give")[0] for problem in refused.value.problems] == [
        "it has no tokenizer (tokenizer.json)",
        "its tokenizer knows 300 tokens, and its network 20",
        "a t5 writes texts, and here they are only read: an encoder is needed",
    ]


def test_the_linear_baseline_is_trial_1_and_named(classifier: AutoTextClassifier) -> None:
    board = classifier.leaderboard().set_index("trial")
    assert board.loc[1, "architecture"] == "tfidf"
    metrics = classifier.study.trial(1).metrics
    assert metrics["val_accuracy"] > 0.9
    assert {"latency_ms", "num_parameters", "train_seconds"} <= set(metrics), "as of any network"


def test_texts_that_are_empty_foreign_or_huge_are_read(classifier: AutoTextClassifier) -> None:
    odd = ["", "   ", "電影很好看", "🙂", "lovely " * 1_500_000]
    for trial in classifier.study.trials:
        found = classifier.study.trial(trial.number).model().predict_proba(odd)
        assert np.isfinite(found).all(), trial.config["architecture"]


@pytest.mark.row_part("ES7")
@pytest.mark.parametrize(("number", "format"), [(1, "bundle"), (1, "onnx"), (0, "torch")])
def test_networks_and_baseline_are_exported_and_checked_in_a_new_process(
    classifier: AutoTextClassifier, tmp_path: Path, number: int, format: str
) -> None:
    trial = classifier.study.trial(number)
    done = trial.export(tmp_path / "out", format=format)
    assert done.score is not None
    assert done.score.measured == pytest.approx(done.score.recorded, abs=1e-3)
    if format == "bundle":
        assert Bundle.load(tmp_path / "out").predict(["so lovely"]) == trial.model().predict(["so lovely"])


def test_an_encoder_reads_the_texts_once_and_is_fine_tuned_from_a_solved_head(encoder: Path, tmp_path: Path) -> None:
    classifier = AutoTextClassifier(films(160), backbones=[encoder])
    portfolio = [one["architecture"] for one in classifier.portfolio([str(encoder)])]
    assert portfolio == ["tfidf", "tiny-bert-frozen", "cnn", "tiny-bert", "transformer"]
    classifier.model.narrow({"architecture": {"choices": ["tiny-bert-frozen", "tiny-bert"]}})
    classifier.fit(trials=4, epochs=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    kinds = {trial.config["architecture"] for trial in classifier.study.trials}
    assert kinds == {"tiny-bert-frozen", "tiny-bert"}
    kept = Path(classifier.study.spec["data"]).parent.glob("features-*/manifest.json")
    computed = [json.loads(file.read_text())["features"] for file in kept]
    assert sorted(key[0] for key in computed if key[-1] == "vectors") == ["train", "validation"]
    done = classifier.export(tmp_path / "out")
    assert done.score is not None
    assert Bundle.load(tmp_path / "out").predict(["The cast is lovely"]) in (["good"], ["bad"])


@pytest.mark.row_part("UX4")
def test_a_backbone_that_is_not_there_is_refused_at_once_with_what_works_offline(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text((encoder / "config.json").read_text())
    started = time.monotonic()
    sources = ["nobody/nothing", "bare", "empty", str(tmp_path / "none")]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError) as refused:
        AutoTextClassifier(tmp_path / "no.csv", backbones=sources)
    assert time.monotonic() - started < 15
    choices = "Give the path of a folder that `save_pretrained` wrote, or leave backbones= out: networks from scratch"
    assert [choices in problem for problem in refused.value.problems] == [True] * 4
    assert "it is not in the local cache, and 127.0.0.1 cannot be reached" in refused.value.problems[0]
    assert "it has no weights (*.safetensors)" in refused.value.problems[1]
    assert "there is no such folder" in refused.value.problems[3]


def test_two_backbones_of_one_name_are_refused(encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny-bert").symlink_to(encoder)
    with pytest.raises(SettingError, match="Two backbones would be called 'tiny-bert'"):
        AutoTextClassifier(films(20), backbones=[encoder, tmp_path / "tiny-bert"])


def test_the_portfolio_is_of_the_space_and_says_where_it_comes_from() -> None:
    space = AutoTextClassifier.tuner().space()
    configs = [space.complete(config) for config in AutoTextClassifier.portfolio()]
    assert configs[0]["architecture"] == "tfidf"
    assert all(one.source for one in read_portfolio("text-classification", ["any"]))


def test_a_short_budget_leaves_out_what_takes_longer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classifier = AutoTextClassifier(films(60))
    classifier.fit(budget="40s", trials=2, epochs=1, cluster="inline", store=tmp_path / "g.db", name="short")
    said = capsys.readouterr().err
    assert "The time allows bag, tfidf; cnn from 1 min on, transformer from 5 min on." in said
    assert "After the default come tfidf, known to be good; then the search." in said
    space = SearchSpace.from_json(classifier.study.spec["space"])
    assert space["architecture"] == Choice("bag", "tfidf")
    # Going on with a longer budget keeps what the study began with.
    classifier.fit(budget="20m", trials=3, epochs=1, cluster="inline", store=tmp_path / "g.db", name="short",
                   resume=True, progress=False)  # fmt: skip
    assert len(classifier.study.trials) == 3


def test_what_a_search_may_try_goes_by_its_whole_time_and_a_gpu(encoder: Path, tmp_path: Path) -> None:
    """A GPU that is asked for; whether there is one is seen when the trials start."""
    classifier = AutoTextClassifier(films(60), backbones=[encoder])
    data, tailor = classifier.data.prepare(tmp_path), classifier.tailor(epochs=None)

    def left_out(minutes: float, gpu: float) -> set[str]:
        budget = 60 * minutes
        found = tailor(Situation(data, budget, budget - 20, Resources(gpu=gpu), is_here=False))
        if found is None:
            return set()
        narrowed: Any = found.narrowing["architecture"]
        assert {str(one["architecture"]) for one in found.portfolio} <= set(narrowed["choices"])
        return set(classifier.tuner([str(encoder)]).space()["architecture"].choices) - set(narrowed["choices"])

    assert left_out(4, gpu=0) == {"tiny-bert", "transformer"}
    assert left_out(5, gpu=0) == left_out(1, gpu=0.5) == set()
    assert left_out(0.5, gpu=0.5) == {"tiny-bert", "transformer", "cnn"}
    classifier.model.narrow({"architecture": {"choices": ["cnn", "transformer"]}})
    tailor = classifier.tailor(epochs=None)
    assert left_out(0.5, gpu=0) == set(), "what the user wants is not left out, nor spoken of"


def test_texts_with_several_labels_are_told_apart(tmp_path: Path) -> None:
    table = films(160)
    table["long"] = table["text"].str.contains("long").astype(int)
    table["good"] = (table.pop("label") == "good").astype(int)
    classifier = AutoTextClassifier(table, target=["good", "long"])
    classifier.fit(trials=2, epochs=4, cluster="inline", store=tmp_path / "g.db", progress=False)
    found = classifier.study.trial(1).model().predict(["The plot is lovely and long", "The plot is dull"])
    assert found == [["good", "long"], []]


def test_a_table_without_texts_is_refused_by_its_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape("'a'")):
        autotask("text-classification", pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"]})).fit(
            trials=1, cluster="inline", store=tmp_path / "g.db", progress=False
        )


def test_labels_that_are_floats_are_classes_where_they_are_whole_and_refused_where_not() -> None:
    table = films(40)
    assert AutoTextClassifier(table.assign(label=[1.0, 2.0] * 20)).data.labels == ("1", "2")
    assert AutoTextClassifier(table.assign(label=[0.0, 1.0] * 20)).data.kind == "multiclass"
    with pytest.raises(DataError, match=r"Classes need to be whole numbers or names, got the float 0\.5"):
        AutoTextClassifier(table.assign(label=[0.5, 2.0] * 20))


def test_held_out_texts_with_labels_that_training_never_saw_are_refused(classifier: AutoTextClassifier) -> None:
    with pytest.raises(DataError, match=r"never saw 'neutral'"):
        classifier.evaluate(films(6).assign(label="neutral"))


def test_a_text_of_ten_megabytes_is_learned_from_a_file(tmp_path: Path) -> None:
    table = films(60)
    table.loc[0, "text"] = "The cast is lovely, said everyone.\n" * 300_000
    table.to_csv(tmp_path / "films.csv", index=False)
    classifier = AutoTextClassifier(tmp_path / "films.csv")
    classifier.model.narrow({"architecture": "tfidf", "architecture.tfidf.longest": 1})
    classifier.fit(trials=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert classifier.study.best.value > 0.5


def test_words_are_counted_once_for_all_trials(classifier: AutoTextClassifier) -> None:
    kept = Path(classifier.study.spec["data"]).parent.glob("features-*/manifest.json")
    keys = [json.loads(file.read_text())["features"] for file in kept]
    assert len([key for key in keys if key[0] == "counted words" and key[1] == 2]) == 1
    assert len(classifier.study.trials) == 3, "trials 0 and 1 at least count words and pairs of words"
