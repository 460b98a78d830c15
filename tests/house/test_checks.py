"""What is promised about the repository itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import gradfleet

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# What `autotasks`, and so anybody's preset, may import of gradfleet.
PUBLIC_MODULES = (
    "gradfleet",
    "gradfleet.errors",
    "gradfleet.data",
    "gradfleet.tasks",
    "gradfleet.training.callbacks",
    "gradfleet.training.context",
)


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert versions[0] == gradfleet.__version__


def test_continuous_integration_and_people_run_the_same_command() -> None:
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "make test"
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"run: (.+)", workflow) == ["make test"]


def test_make_help_names_every_target_that_the_readme_uses() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    used = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {f"make {target}" for target in used} <= {" ".join(line.split()[:2]) for line in shown.splitlines()}


def test_contributing_stays_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 60


def test_no_file_holds_a_path_of_a_machine() -> None:
    machine = re.compile(r"(?<![\w.])/(?:home|root|Users|work|opt|mnt)/\w")
    for path in _tracked_files():
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert not machine.search(text), f"{path.relative_to(ROOT)} holds a path of one machine."


OF_OPTUNA = {"cmaes"}
"""What one of Optuna's samplers imports when it is used, and Optuna itself does not declare."""


def test_every_import_is_a_declared_dependency_and_every_dependency_is_imported() -> None:
    distributions = packages_distributions()
    imported = {_plain(distributions[name][0]) for name in _third_party_imports() if name in distributions}
    declared = _names(PROJECT["project"]["dependencies"])
    extras = PROJECT["project"]["optional-dependencies"]
    optional = set().union(*(_names(extras[extra]) for extra in extras if extra != "dev"))
    assert imported - optional == declared - optional - OF_OPTUNA
    assert imported <= declared | optional


def test_make_env_installs_every_extra() -> None:
    (installed,) = re.findall(r"--editable '\.\[(.+)\]'", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert set(installed.split(",")) == set(PROJECT["project"]["optional-dependencies"])


def test_presets_import_only_what_every_user_may() -> None:
    for path in (ROOT / "autotasks").rglob("*.py"):
        for module, names in _imports(path):
            if module.partition(".")[0] != "gradfleet":
                continue
            assert any(module == public or module.startswith(f"{public}.") for public in PUBLIC_MODULES[1:]) or (
                module == "gradfleet" and set(names) <= set(gradfleet.__all__)
            ), f"{path.relative_to(ROOT)} imports {module}, which is not public."


def test_presets_leave_ray_and_optuna_to_gradfleet() -> None:
    imported = {module.partition(".")[0] for path in (ROOT / "autotasks").rglob("*.py") for module, _ in _imports(path)}
    assert imported.isdisjoint({"ray", "optuna", "accelerate"})


def _tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _third_party_imports() -> set[str]:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "autotasks").rglob("*.py")]
    roots = {module.partition(".")[0] for path in files for module, _ in _imports(path)}
    return roots - set(sys.stdlib_module_names) - {"gradfleet", "autotasks"}


def _imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.name for alias in node.names]


def _names(requirements: list[str]) -> set[str]:
    return {_plain(re.split(r"[\[<>=;]", each)[0]) for each in requirements}


def _plain(distribution: str) -> str:
    return distribution.lower().replace("_", "-")
