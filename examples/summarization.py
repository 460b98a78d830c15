"""Which sentences make the summary of a docstring? Its first line, wherever that is put.

    python examples/summarization.py

The texts are docstrings of the installed scikit-learn, their sentences in another order. Takes half a minute.
"""

from __future__ import annotations

import ast
import random
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pandas

from autotasks import AutoSummarizer

ROWS = 300


def documents() -> pandas.DataFrame:
    """A row a docstring with a first line and a paragraph of several sentences after it."""
    spec = find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    draw, found = random.Random(0), {}
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or not (text := ast.get_docstring(node)):
                continue
            first, _, rest = text.partition("\n\n")
            sentences = [" ".join(one.split()) for one in rest.partition("\n\n")[0].split(". ")]
            if first.endswith(".") and 2 <= len(sentences) <= 8 and "---" not in rest.partition("\n\n")[0]:
                summary = " ".join(first.split())
                shuffled = [summary, *(one.rstrip(".") + "." for one in sentences)]
                draw.shuffle(shuffled)
                found[summary] = " ".join(shuffled)
    return pandas.DataFrame({"text": list(found.values()), "summary": list(found)})[:ROWS]


def main() -> None:
    table = documents()
    held_out = table.sample(frac=0.2, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        summarizer = AutoSummarizer(table.drop(held_out.index))
        summarizer.fit(trials=4, budget="2m", cluster="inline", store=Path(folder, "study.db"))
        print(summarizer.leaderboard()[["trial", "architecture", "value"]].to_string(index=False))
        measured = summarizer.evaluate(held_out)
        print(f"ROUGE-1 of {len(held_out)} held-out docstrings: {measured['rouge1']:.3f}")
        print(summarizer.predict([held_out["text"].iloc[0]])[0])


if __name__ == "__main__":
    main()
