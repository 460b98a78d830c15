"""A spec as people write it: as YAML, as Python, and as a command."""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

_OF_SEARCH = ("budget", "trials", "target", "patience", "epochs", "sampler", "scheduler")
_FIT_OPTIONS = frozenset((*_OF_SEARCH, "seed", "keep", "repeats", "folds"))


def as_yaml(values: Mapping[str, Any]) -> str:
    """The sweep file that says this.

    Example:
        >>> print(as_yaml({"version": 1, "search": {"budget": "10m"}}))
        version: 1
        search:
          budget: 10m
    """
    writer = YAML(pure=True)
    writer.width = 100
    file = io.StringIO()
    writer.dump(_plain(values), file)
    return file.getvalue().rstrip("\n")


def as_python(values: Mapping[str, Any], *, cluster: str) -> str:
    """The program that has the same sweep of a task run on `cluster`."""
    search = dict(values.get("search", {}))
    options = {**({"seed": search.pop("seed")} if "seed" in search else {}), **values.get("options", {})}
    objective, space, resources = (values.get(name) for name in ("objective", "space", "resources"))
    names = ["autotask", *(["Objective"] if objective else []), *(["Resources"] if resources else [])]
    lines = [f"from gradfleet import {', '.join(sorted(names))}", ""]
    lines += [f"task = {_call('autotask', [values.get('task'), values.get('data') or '...'], options)}"]
    if objective:
        lines.append(f"task.model.objective = {_call('Objective', [], objective)}")
    if space:
        lines.append(f"task.model.narrow({_plain(space)!r})")
    said: dict[str, Any] = {"name": values["name"]} if values.get("name") else {}
    said |= search | ({"resources": _Source(_call("Resources", [], resources))} if resources else {})
    return "\n".join([*lines, _call("task.fit", [], {**said, "cluster": cluster})])


def as_command(values: Mapping[str, Any], *, cluster: str) -> str:
    """The command that has the same sweep run on `cluster`: `fit` where its options say it all, else by a file."""
    search, resources = values.get("search", {}), values.get("resources", {})
    says_all = set(search) <= _FIT_OPTIONS and set(resources) <= {"cpu", "gpu"}
    if not says_all or any(values.get(name) for name in ("options", "objective", "space")):
        file = f"{values.get('name') or 'sweep'}.yaml"
        return f"gradfleet sweep submit {shlex.quote(file)} --cluster {shlex.quote(cluster)}"
    named = {"name": values["name"]} if values.get("name") else {}
    options = {**named, **search, **resources, "cluster": cluster}
    parts = [f"--{name} {shlex.quote(str(value))}" for name, value in options.items()]
    what = shlex.join(str(values.get(name) or name.upper()) for name in ("task", "data"))
    return " \\\n  ".join([f"gradfleet fit {what}", *parts])


class _Source(str):
    """Python source, which is shown as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _call(name: str, positional: list[Any], keywords: Mapping[str, Any]) -> str:
    parts = [*map(repr, positional), *(f"{key}={_plain(value)!r}" for key, value in keywords.items())]
    line = f"{name}({', '.join(parts)})"
    if len(line) <= 80:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), ")"])


def _plain(value: Any) -> Any:
    """Mappings and lists of Python's own kind."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
