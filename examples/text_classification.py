"""From a CSV to a prediction by a bundle in another process: which package does a docstring come from?

    python examples/text_classification.py

The texts are the first paragraphs of docstrings in the installed numpy, pandas and torch. Takes about a minute.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pandas

from autotasks import AutoTextClassifier

PACKAGES = ("numpy", "pandas", "torch")
EACH = 250  # docstrings of a package


def docstrings(package: str) -> list[str]:
    """First paragraphs of the docstrings of a package's functions and classes, each once."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    found: dict[str, None] = {}
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                found[text.partition("\n\n")[0]] = None
        if len(found) >= EACH:
            break
    return list(found)[:EACH]


def main() -> None:
    rows = [(text, name) for name in PACKAGES for text in docstrings(name)]
    table = pandas.DataFrame(rows, columns=["text", "label"])
    held_out = table.sample(frac=0.2, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        table.drop(held_out.index).to_csv(Path(folder, "docstrings.csv"), index=False)
        classifier = AutoTextClassifier(Path(folder, "docstrings.csv"))
        classifier.fit(trials=4, epochs=4, cluster="inline", store=Path(folder, "study.db"))
        print(classifier.leaderboard()[["trial", "architecture", "value"]].to_string(index=False))
        print(f"accuracy on {len(held_out)} held-out docstrings: {classifier.evaluate(held_out)['accuracy']:.3f}")

        text = held_out["text"].iloc[0]
        print(f"here: {classifier.predict([text])}", flush=True)
        classifier.export(Path(folder, "model"))
        code = "import gradfleet, sys; print('there:', gradfleet.Bundle.load(sys.argv[1]).predict([sys.argv[2]]))"
        subprocess.run([sys.executable, "-c", code, str(Path(folder, "model")), text], check=True)


if __name__ == "__main__":
    main()
