"""What a client may ask for: a sweep as in a file, over data and recipes that the service allows."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gradfleet.data.download import Download, is_below, is_public, is_web
from gradfleet.errors import Problems, SettingError
from gradfleet.service.service import Service
from gradfleet.study.driving.opening import new_name
from gradfleet.sweeps.document import MAX_DEPTH, Document, check_size
from gradfleet.sweeps.sweep import checked_words

_OURS = ("store", "artifacts", "cluster")


def read(text: bytes, *, is_yaml: bool) -> Document:
    """The document in a request's body.

    Raises:
        SettingError: it is no YAML or JSON, no mapping, or is made to take long to read.
    """
    check_size(len(text), "The spec")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingError(f"A spec is UTF-8 text: {error}.") from error
    if is_yaml:
        return Document.parse(decoded, name="spec")
    try:
        values = json.loads(decoded, object_pairs_hook=_each_once)
    except SettingError:
        raise
    except RecursionError as error:
        raise SettingError(f"A spec nests at most {MAX_DEPTH} deep.") from error
    except ValueError as error:
        raise SettingError(f"The spec is no JSON: {error}. Send YAML as application/yaml.") from error
    if not isinstance(values, dict):
        raise SettingError(f"A spec is a JSON object, got {type(values).__name__}.")
    if _depth(values) > MAX_DEPTH:
        raise SettingError(f"A spec nests at most {MAX_DEPTH} deep.")
    return Document("spec", values)


def settled(service: Service, document: Document) -> tuple[str, dict[str, Any]]:
    """The name of a sweep and its spec, with its data found.

    Raises:
        SettingError: it cannot be, or asks for what the service does not allow; every problem.
    """
    said: dict[str, Any] = dict(document.values)
    with document.blaming(("options",)):  # before a network that they name is looked at
        _check_options(service, said.get("options"))
    spec, problems = checked_words(document), Problems()
    name = spec.name or new_name(spec.task or "sweep")
    problems += [f"{key} is the service's to say; leave it out." for key in _OURS if said.get(key) is not None]
    if spec.recipe is not None:
        with problems:
            _check_recipe(service, spec.recipe)
    if spec.data is not None:
        with problems, document.blaming(("data",)):
            said["data"] = located(service, spec.data)
    problems.refuse()
    return name, {**said, "name": name}


def located(service: Service, data: str) -> str:
    """Where data lies that a spec names: below the service's folder, or at a URL that is allowed.

    Raises:
        SettingError: it lies elsewhere, or is not there.
    """
    if "://" in data or data.startswith("hub:"):
        _check_url(service, data)
        return data
    root = service.settings.data.resolve()
    try:
        path = (root / data).resolve()
        is_there = path.exists()  # asks for a name that may be too long to be one
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingError(f"data is a path below the service's folder for data, got {data[:100]!r}.") from error
    if not path.is_relative_to(root) or path == root:
        raise SettingError(f"data is a path below the service's folder for data, and {data[:100]!r} leads out of it.")
    if not is_there:
        known = ", ".join(sorted(one.name for one in root.iterdir() if not one.name.startswith("."))[:20])
        raise SettingError(f"There is no data {data[:100]!r} below the service's folder. There is: {known or 'none'}.")
    _refuse_links_out(path, root)
    return str(path)


def _refuse_links_out(path: Path, root: Path) -> None:
    """A link below a data folder may not lead out either."""
    for one in path.rglob("*") if path.is_dir() else ():
        if one.is_symlink() and not one.resolve().is_relative_to(root):
            raise SettingError(f"data holds {one.name!r}, a link that leads out of the service's folder for data.")


def download(url: str, *, urls: Sequence[str], private_urls: Sequence[str], most: int | None = None) -> Download:
    """How data at a URL is fetched; the beginnings, and the bytes that may come, are those of the settings.

    Raises:
        SettingError: it has none of them.
    """
    for below, public in ((private_urls, False), (urls, True)):
        if is_below(url, below):
            return Download(url, tuple(below), public, most)
    allowed = ", ".join((*urls, *private_urls)) or "none"
    raise SettingError(f"data at {url[:100]!r} is not allowed. URLs begin with: {allowed}.")


def _check_url(service: Service, url: str) -> None:
    """Early, so that the client is told; whoever fetches it looks again."""
    settings = service.settings
    allowed = download(url, urls=settings.urls, private_urls=settings.private_urls, most=settings.limits.fetched)
    if is_web(url) and allowed.public and _is_private(host := _host_of(url)):
        raise SettingError(
            f"data at {url[:100]!r} is not allowed: {host} is a private address, and those are named by "
            "--allow-private-url when the service is started."
        )


def _host_of(url: str) -> str:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise SettingError(f"data is at a URL such as https://example.org/flowers.zip, got {url[:100]!r}.")
    return host


def _is_private(host: str) -> bool:
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False  # nothing can be fetched from there either
    return not all(map(is_public, found))


def _check_recipe(service: Service, recipe: str) -> None:
    module = recipe.partition(":")[0]
    for allowed in service.settings.recipes:
        package = allowed.removesuffix(".*")
        if recipe == allowed or (allowed.endswith(".*") and (module == package or module.startswith(f"{package}."))):
            return
    known = ", ".join(service.settings.recipes) or "none"
    raise SettingError(f"The recipe {recipe!r} is not allowed, because a recipe is code. Allowed are: {known}.")


def _check_options(service: Service, options: Any) -> None:
    """A task's options may name files too, such as pretrained networks."""
    root = service.settings.data.resolve()
    for text in _texts(options):
        if _leads_out(text, root):
            raise SettingError(f"options name {text[:100]!r}, which is not below the service's folder for data.")


def _leads_out(text: str, root: Path) -> bool:
    """Whether a text is the path of something that lies elsewhere."""
    try:
        path = Path(text).expanduser()
        return path.exists() and not path.resolve().is_relative_to(root)
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, nobody's home
        return False


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON takes the last of two; a sweep file refuses both, and so does a service."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place]))
        raise SettingError(f"The spec says {twice[:100]!r} twice; say it once.")
    return found


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [list(one.values()) if isinstance(one, dict) else one for one in level]
        level = [each for one in inner if isinstance(one, list) for each in one]
    return depth
