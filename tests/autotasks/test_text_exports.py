"""Exported text classifiers at work where neither this package nor torch is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from autotasks import AutoTextClassifier
from autotasks.counted_words import WORDS
from autotasks.tfidf import TfidfLinear
from gradfleet.tasks import TextPreparation
from tests.autotasks.small_texts import films

DOCUMENT = Path(__file__).parents[2] / "docs" / "presets.md"
TEXTS = ["The cast is lovely, lovely!", "So DULL, so dull and long", "", "電影 🙂", "The plot is warm " * 200]


@pytest.fixture(scope="module", params=["one label", "several labels"])
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AutoTextClassifier:
    """Fitted; trial 0 is a bag of tokens beside words, trial 1 words alone."""
    table = films(120)
    if request.param == "several labels":
        long = table["text"].str.contains("long")
        table["label"] = [[label, "long"] if one else [label] for label, one in zip(table["label"], long, strict=True)]
    classifier = AutoTextClassifier(table)
    store = tmp_path_factory.mktemp("exports") / "g.db"
    return classifier.fit(trials=2, epochs=3, cluster="inline", store=store, progress=False)


@pytest.mark.parametrize("number", [0, 1])
def test_the_documented_lines_predict_from_the_folder_alone_what_the_model_does(
    classifier: AutoTextClassifier, number: int, tmp_path: Path
) -> None:
    trial = classifier.study.trial(number)
    model: Any = trial.model()
    assert model.temperature != 1, "else nothing shows that it is exported"
    trial.export(tmp_path / "out", format="onnx", check=False)
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S)
    (block,) = [one for one in blocks if "import onnxruntime" in one]
    (tmp_path / "script.py").write_text(
        "import sys\n"
        'for name in ("gradfleet", "autotasks", "torch", "sklearn", "transformers"):\n'
        "    sys.modules[name] = None  # importing one raises\n"
        f"path, texts = 'out', {TEXTS!r}\n"
        f"{block}\n"
        "np.save('probabilities.npy', probabilities)\n",
        encoding="utf-8",
    )
    subprocess.run([sys.executable, "script.py"], check=True, cwd=tmp_path)
    found = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(found, trial.model().predict_proba(TEXTS), atol=1e-5)


def test_a_folder_says_what_its_inputs_are(classifier: AutoTextClassifier, tmp_path: Path) -> None:
    classifier.study.trial(0).export(tmp_path / "out", format="torch", check=False)
    described = json.loads((tmp_path / "out" / "gradfleet.json").read_text("utf-8"))
    anything = {"type": "int64", "shape": ["rows", "length"]}
    assert described["inputs"] == dict.fromkeys(("input_ids", "attention_mask", "terms", "counts"), anything)
    classifier.study.trial(1).export(tmp_path / "words", format="torch", check=False)
    assert not (tmp_path / "words" / "tokenizer.json").exists(), "words alone need none"


def test_counts_become_what_scikit_learn_makes_of_texts() -> None:
    texts = ["so good, so good!", "so bad", "", "good"]
    known = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=WORDS).fit(texts)
    terms = known.get_feature_names_out().tolist()
    network = TfidfLinear(3)
    network.restore({"terms": terms})  # as of checkpoints that say no more
    weights, biases = np.random.default_rng(0).normal(size=(len(terms), 3)), np.arange(3.0)
    network.load_state_dict(
        {
            "weights.weight": torch.from_numpy(weights),
            "biases": torch.from_numpy(biases),
            "rarity": torch.from_numpy(known.idf_),
        }
    )
    batch = network.reads(TextPreparation().fit(texts).inputs(texts)).take(torch.arange(4))
    np.testing.assert_allclose(
        network(**batch).detach().numpy(), known.transform(texts) @ weights + biases, rtol=1e-5, atol=1e-6
    )
