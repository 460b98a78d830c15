"""The user's own modules that a recipe needs are found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cloudpickle
import pytest

from gradfleet.trials.modules import own_modules

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file into a folder of sys.path that is nobody's but the user's."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(place: str, text: str) -> None:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def test_modules_that_a_function_imports_when_it_runs_come_with_what_they_import(write: Write, tmp_path: Path) -> None:
    write("gf_outer.py", "import json\nimport torch\nfrom gf_inner import value\n")
    write("gf_inner.py", "def later():\n    import gf_innermost.deep as deep\n    return deep\n")
    write("gf_innermost/deep.py", "")
    write("gf_stranger.py", "")

    def train(config: dict[str, object]) -> object:
        import gf_outer  # type: ignore[import-not-found]

        return gf_outer.value

    found = own_modules(cloudpickle.dumps(train))
    assert {name: path for name, path in found.items() if name.startswith("gf_")} == {
        name: tmp_path / name for name in ("gf_outer.py", "gf_inner.py", "gf_innermost/deep.py")
    }


def test_a_package_comes_whole_and_a_relative_import_leads_on(write: Write) -> None:
    write("gf_package/__init__.py", "")
    write("gf_package/sizes.json", "{}")
    write("gf_package/__pycache__/x.pyc", "")
    write("gf_package/.cache/large", "")
    write("gf_package/nets.py", "from . import layers\n")
    write("gf_package/layers.py", "import gf_base\n")
    write("gf_base.py", "")
    found = own_modules(cloudpickle.dumps("gf_package.nets"))
    assert sorted(found) == [
        "gf_base.py",
        *(f"gf_package/{name}" for name in ("__init__.py", "layers.py", "nets.py", "sizes.json")),
    ]


def test_of_a_folder_without_init_come_only_the_modules_that_are_named(write: Write) -> None:
    write("gf_space/one.py", "from gf_space import two\n")
    write("gf_space/two.py", "")
    write("gf_space/three.py", "")
    write("gf_space/data.bin", "")
    assert sorted(own_modules(cloudpickle.dumps(["gf_space", "gf_space.one"]))) == [
        "gf_space/one.py",
        "gf_space/two.py",
    ]


def test_what_is_installed_or_pythons_own_stays_at_home() -> None:
    assert own_modules(cloudpickle.dumps(["torch.nn", "json", "gradfleet.study", "__main__", "no_such_module"])) == {}
