"""`gradfleet serve` and `gradfleet token`: the service, and who may use it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gradfleet.cli.options import ArtifactsOption, JsonOption, ServiceClusterOption, StoreOption
from gradfleet.cli.output import aligned, note, show, show_json
from gradfleet.errors import SettingError

if TYPE_CHECKING:
    from gradfleet.service.tokens import Scope, Token

SERVE_EXAMPLES = (
    "gradfleet serve",
    "gradfleet serve --port 8080 --data /data/sets --sweeps 4",
    "gradfleet serve --host 0.0.0.0 --allow-host sweeps.example.org --store postgresql://db/sweeps",
    "gradfleet serve --cluster http://head:8265 --store postgresql://db/sweeps --artifacts s3://bucket/sweeps",
    "gradfleet serve --stop-cluster",
)

CREATE_EXAMPLES = ("gradfleet token create alice --scope run", "gradfleet token create dashboard --expires 30d")

LIST_EXAMPLES = ("gradfleet token list", "gradfleet token list --json")

REVOKE_EXAMPLES = ("gradfleet token revoke alice",)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.", show_default=False)]


def serve(
    *,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where it listens; 0.0.0.0 is everywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="0 takes a free one.")] = 8000,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="What clients call it, beside HOST and localhost.")
    ] = None,
    store: StoreOption = None,
    artifacts: ArtifactsOption = None,
    cluster: ServiceClusterOption = None,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Below it lies what sweeps may learn from, and uploads go there.")
    ] = Path("gradfleet-data"),
    allow_url: Annotated[
        list[str] | None, typer.Option(metavar="PREFIX", help="URLs that sweeps may learn from, such as s3://bucket/.")
    ] = None,
    allow_private_url: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="The same at a host of your own network, such as http://data.intranet/."),
    ] = None,
    allow_recipe: Annotated[
        list[str] | None,
        typer.Option(metavar="RECIPE", help="A recipe that sweeps may name, package.module:function or package.*."),
    ] = None,
    allow_open_cluster: Annotated[
        bool, typer.Option("--allow-open-cluster", help="Run sweeps on a cluster that asks nobody for a token.")
    ] = False,
    sweeps: Annotated[int, typer.Option(min=1, metavar="N", help="Sweeps that run side by side on this machine.")] = 2,
    stop_cluster: Annotated[
        bool, typer.Option("--stop-cluster", help="End the cluster of the store on this machine, and do nothing else.")
    ] = False,
) -> None:
    """Answer over HTTP: sweeps, trials, models and predictions, for programs and for browsers.

    Prints its address and, where only this machine can reach it, a token. Otherwise `token create` makes one before.
    Sweeps go on when the service ends. Without --cluster they share a Ray of the store on this machine, which starts
    with the first of them and ends with --stop-cluster.
    """
    if stop_cluster:
        _stop_cluster(store)
        return
    try:
        from gradfleet.service.serve import serve as run
        from gradfleet.service.settings import ServiceSettings
    except ModuleNotFoundError as error:
        raise SettingError(f'The service needs {error.name}: pip install "gradfleet[service]".') from error

    settings = ServiceSettings(
        store=store,
        artifacts=artifacts,
        cluster=cluster,
        open_cluster=allow_open_cluster,
        data=data.absolute(),
        urls=tuple(allow_url or ()),
        private_urls=tuple(allow_private_url or ()),
        recipes=tuple(allow_recipe or ()),
        host=host,
        port=port,
        names=tuple(allow_host or ()),
        sweeps=sweeps,
    )
    run(settings, say=show)


def _stop_cluster(store: str | None) -> None:
    from gradfleet.fleet.own_cluster import OwnCluster

    cluster = OwnCluster.of(store)
    ended = cluster.end()
    if ended:
        show(f"The cluster of {cluster.store} has ended, {ended} processes; its sweeps go on with a service.")
    else:
        show(f"No cluster of {cluster.store} runs on this machine.")


def create(
    name: Name,
    *,
    scope: Annotated[
        str,
        typer.Option(
            metavar="read|run|admin",
            help="read: look and predict. run: sweeps and models too. admin: delete too, and read the audit log.",
        ),
    ] = "read",
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", help="After so long it ends: 12h, 30d; never by default.")
    ] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Make a token for the service over a store; it is shown once, and kept nowhere."""
    from gradfleet.service import tokens
    from gradfleet.study.driving.budget import seconds
    from gradfleet.study.storage.store import Store

    lasts = None if expires is None else seconds(expires, what="--expires")
    with Store.open(store) as opened:
        text = tokens.create(opened, name, scope=cast("Scope", scope), seconds=lasts)
    if json:
        show_json({"name": name, "scope": scope, "token": text})
        return
    show(text)
    note(f"This is the only time that it is shown. Clients send it as `Authorization: Bearer {text[:6]}...`.")


def list_(*, store: StoreOption = None, json: JsonOption = False) -> None:
    """List the tokens of a store, without their texts."""
    from gradfleet.service import tokens
    from gradfleet.study.storage.store import Store

    with Store.open(store, must_exist=True) as opened:
        found = [_facts(token) for token in tokens.listed(opened)]
    if json:
        show_json({"tokens": found})
        return
    columns = ("name", "scope", "state", "created", "expires")
    show(aligned(columns, [[str(one[name] or "") for name in columns] for one in found], left=columns))


def revoke(name: Name, *, store: StoreOption = None) -> None:
    """End a token now, in open streams too."""
    from gradfleet.service import tokens
    from gradfleet.study.storage.store import Store

    with Store.open(store, must_exist=True) as opened:
        tokens.revoke(opened, name)
    show(f"The token {name} is revoked.")


def _facts(token: Token) -> dict[str, Any]:
    created, expires = _date(token.created), None if token.expires is None else _date(token.expires)
    return {"name": token.name, "scope": token.scope, "state": token.state, "created": created, "expires": expires}


def _date(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"
