"""The wheel, built and installed outside the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import gradfleet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("gradfleet-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and nothing else of this project.

    Its dependencies are several GB, so they are borrowed: one .pth line names the folder of installed packages.
    Python reads no .pth file in a folder added that way, so the editable install of the checkout stays unseen.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (site_packages,) = folder.glob("lib/python*/site-packages")
    _pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def test_the_wheel_holds_both_packages_the_licence_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    metadata = f"gradfleet-{gradfleet.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"gradfleet", "autotasks", metadata}
    assert "gradfleet/py.typed" in names
    assert "autotasks/portfolios/text-classification.yaml" in names
    assert f"{metadata}/licenses/LICENSE" in names


def test_both_packages_import_from_the_wheel(python: Path, tmp_path: Path) -> None:
    code = "import autotasks, gradfleet, json; print(json.dumps([gradfleet.__file__, autotasks.__file__]))"
    for place in json.loads(_run(python, code, tmp_path)):
        assert Path(place).is_relative_to(python.parents[1])


def test_every_entry_point_loads(python: Path, tmp_path: Path) -> None:
    code = """
import json
from importlib.metadata import entry_points
ours = [*entry_points(group="gradfleet.tasks"), *entry_points(group="console_scripts", name="gradfleet")]
print(json.dumps({each.name: each.load().__module__ for each in ours}))
"""
    loaded = json.loads(_run(python, code, tmp_path))
    assert loaded == {
        "image-classification": "autotasks.image_classification",
        "sentiment-analysis": "autotasks.sentiment",
        "summarization": "autotasks.summarization",
        "text-classification": "autotasks.text_classification",
        "gradfleet": "gradfleet.cli.main",
    }


def test_the_command_is_installed(python: Path, tmp_path: Path) -> None:
    assert "gradfleet" in _output([python.parent / "gradfleet", "--help"], tmp_path)


def _pip(*arguments: str) -> None:
    _output([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], ROOT)


def _run(python: Path, code: str, folder: Path) -> str:
    return _output([python, "-I", "-c", code], folder)


def _output(command: Sequence[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
