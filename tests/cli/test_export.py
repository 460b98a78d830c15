"""`gradfleet export`: parse, one public call, show."""

from __future__ import annotations

import json
from pathlib import Path

from gradfleet import Bundle
from gradfleet.cli import exits
from tests.cli.conftest import Run, write_images


def test_a_study_becomes_a_bundle(run: Run, here: Path) -> None:
    write_images(here / "images")
    assert run("fit", "image-classification", "images", "--trials", "1", "--epochs", "1", "--name", "s", *INLINE)
    told = run("export", "s", "model", "--json")
    assert told.exit_code == exits.DONE, told.stderr
    found = json.loads(told.stdout)
    assert found["score"]["measured"] == found["score"]["recorded"]
    assert Bundle.load(here / "model").predict(["images/dark/000.png"])[0] in ("dark", "light")
    refused = run("export", "s", "model")
    assert refused.exit_code == exits.USAGE
    assert "an export replaces nothing. Choose another path." in refused.stderr


INLINE = ("--cluster", "inline", "--quiet")
