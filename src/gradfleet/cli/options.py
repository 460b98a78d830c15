"""Arguments and options that several verbs share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated, Any

import typer

Name = Annotated[str, typer.Argument(metavar="NAME", help="The study's name, as `fit` printed it.", show_default=False)]

Trial = Annotated[int, typer.Argument(metavar="TRIAL", min=0, help="The trial's number.", show_default=False)]

PLACES = {"store": "GRADFLEET_STORE", "artifacts": "GRADFLEET_ARTIFACTS", "cluster": "GRADFLEET_CLUSTER"}
"""The keys of a sweep file that the environment may say; an option goes before it, and it before the file."""


def _store(kinds: str) -> Any:
    text = f"{kinds}; gradfleet.db in the working folder by default."
    return typer.Option("--store", metavar="URL", envvar=PLACES["store"], help=text)


StoreOption = Annotated[str | None, _store("A SQLite file or a database URL")]

AnyStoreOption = Annotated[
    str | None,
    _store("A SQLite file, a database URL, or service+http://host:8000, a service that GRADFLEET_TOKEN opens"),
]

ArtifactsOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar=PLACES["artifacts"],
        help="Where checkpoints go; gradfleet-artifacts/ beside the store by default.",
    ),
]

ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="auto|inline|URL",
        envvar=PLACES["cluster"],
        help="auto: the Ray cluster of this machine. inline: one process, without Ray. http://head:8265: a remote Ray "
        "cluster, or ray://head:10001, which is asked for that address. service+http://host:8000: a service. By "
        "default a Ray of its own on this machine.",
    ),
]

ServiceClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL|inline|auto",
        envvar=PLACES["cluster"],
        help="http://head:8265: a Ray cluster. inline: processes of this machine, without Ray. auto: the Ray cluster "
        "that this machine is part of. By default a Ray of the store's own on this machine.",
    ),
]

TrialOption = Annotated[
    int | None, typer.Option("--trial", metavar="N", help="That trial's model instead of the best; 0 is the default.")
]

TrustOption = Annotated[
    bool,
    typer.Option("--trust-recipe", help="Load a recipe that was stored by value, which runs its author's code."),
]

ExtendOption = Annotated[
    bool,
    typer.Option(
        "--extend",
        help="Go on with the study of that name under another space: its trials stay and are learned from.",
    ),
]

RetryOption = Annotated[
    bool, typer.Option("--retry-failed", help="Run trials that failed again too, from their last checkpoint.")
]

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and nothing else there.")]


def _before_file(key: str) -> Any:
    return typer.Option(f"--{key}", metavar="URL", help=f"Before what the file says, as {key}=URL.")


StoreBeforeFile = Annotated[str | None, _before_file("store")]

ArtifactsBeforeFile = Annotated[str | None, _before_file("artifacts")]

ClusterBeforeFile = Annotated[str | None, _before_file("cluster")]


def said(overrides: Iterable[str] | None, **options: str | None) -> list[str]:
    """What goes before a sweep file, as overrides: the environment's `PLACES`, then `key=value`, then `--key value`."""
    environment = {key: os.environ.get(variable) for key, variable in PLACES.items()}
    typed = (f"{key}={value}" for key, value in options.items() if value is not None)
    return [*(f"{key}={value}" for key, value in environment.items() if value), *(overrides or ()), *typed]


def examples(*lines: str) -> str:
    """A help text's epilog; the mark keeps the lines from being wrapped into each other."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
