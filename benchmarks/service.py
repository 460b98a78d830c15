"""How quick the service is over a long study: pages, leaderboard, plots, events and predictions.

    python benchmarks/service.py [--store URL] [--trials 10000] [--records 20] [--rounds 30] [--listeners 50]

Writes a study of that many trials into a new SQLite file, or into the empty store at URL, and has a small search learn
the digits that ship with scikit-learn. Then `gradfleet serve` runs as a process of its own, and this one asks it over
HTTP. The first answer of each kind, for which everything is read, has a column of its own. Events are told to listeners
while a driver writes; an event's lag is from the time that the store has for it to its arrival. Predictions are asked
for at a fixed pace, whether or not the last one was answered, and count from the moment at which they were due. Where
Debian's Chromium is, it opens the page of the study too, until the scripts have run and its table can be used.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy
from PIL import Image
from sklearn.datasets import load_digits
from sqlalchemy import insert

from gradfleet.search.space import Choice, Entry, Float, Int, SearchSpace, When
from gradfleet.service import tokens
from gradfleet.study.storage import journal
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import records, trials
from gradfleet.training.history import EpochRecord

SERVE = "from gradfleet.cli.main import main; main()"
PAUSE = 0.05
"""Seconds between questions, so that no token asks too often."""

SPACE = SearchSpace(
    (
        Entry("architecture", Choice("mlp", "cnn")),
        Entry("architecture.cnn.channels", Int(8, 64, log=True), (When("architecture", ("cnn",)),)),
        Entry("optimizer", Choice("sgd", "adamw")),
        Entry("optimizer.sgd.momentum", Float(0.0, 0.99), (When("optimizer", ("sgd",)),)),
        Entry("learning_rate", Float(1e-5, 1e-1, log=True)),
        Entry("batch_size", Choice(16, 32, 64)),
        Entry("dropout", Float(0.0, 0.5)),
    )
)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="gf-service-") as name:
        folder = Path(name)
        url = options.store or f"sqlite:///{folder}/gradfleet.db"
        with Store.open(url) as store:
            long = write_long(store, folder, num_trials=options.trials, num_records=options.records)
            token = tokens.create(store, f"benchmark-{os.getpid()}", scope="admin")
            if options.predictions:
                learn_digits(folder, url)
            with serving(url, folder) as address:
                print(f"{options.trials:,} trials x {options.records} records, {store.url}\n")
                print("| what | first, ms | median, ms | p95, ms |\n|---|---|---|---|")
                client = httpx.Client(base_url=address, timeout=60)
                client.headers["Authorization"] = f"Bearer {token}"
                client.headers["Cookie"] = f"gradfleet_token={token}"
                look(client, rounds=options.rounds)
                if chromium := shutil.which("chromium"):
                    browse(chromium, address, token, rounds=options.rounds)
                with Lease.acquire(store, long) as lease:
                    live(store, lease, client, token=token, listeners=options.listeners, rounds=options.rounds)
                if options.predictions:
                    predict(client, seconds=options.seconds, each_second=20)


def look(client: httpx.Client, *, rounds: int) -> None:
    """Ask for one thing after the other."""
    for what, path in {
        "sweep list": "/v1/sweeps",
        "leaderboard": "/v1/sweeps/long/leaderboard",
        "leaderboard, filtered and sorted": "/v1/sweeps/long/leaderboard?where=value+>+0.5&sort=-dropout",
        "leaderboard, page 100": "/v1/sweeps/long/leaderboard?offset=4950",
        "trials by value": "/v1/sweeps/long/trials?sort=-value",
        "sweep page with its style and script": "/ui/sweeps/long",
        "plot of the page": "/ui/sweeps/long/plots/history.svg",
        "curves of the page": "/ui/sweeps/long/plots/curves.svg",
        "history as JSON": "/v1/sweeps/long/plots/history",
    }.items():
        beside = ["/ui/static/style.css", "/ui/static/live.js"] if what.startswith("sweep page") else []
        times = [_timed(lambda: [_get(client, one) for one in (path, *beside)]) for _ in range(rounds + 1)]  # noqa: B023
        _row(what, times[1:], first=times[0])


def browse(chromium: str, address: str, token: str, *, rounds: int) -> None:
    """Open the sweep's page in a browser, each time without anything that it kept."""
    from playwright.sync_api import sync_playwright

    ready = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd / 1000"
    times = []
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for _ in range(rounds + 1):
            context = browser.new_context()
            context.add_cookies([{"name": "gradfleet_token", "value": token, "url": address}])
            page = context.new_page()
            page.goto(f"{address}/ui/sweeps/long", wait_until="load")
            times.append(float(page.evaluate(ready)))
            page.locator(".trials tbody tr a").first.click()
            page.wait_for_url("**/trials/*")
            context.close()
        browser.close()
    _row("sweep page in a browser, until it can be used", times[1:], first=times[0])


def live(store: Store, lease: Lease, client: httpx.Client, *, token: str, listeners: int, rounds: int) -> None:
    """Look on while a driver writes 20 records a second."""
    ended = threading.Event()
    with ThreadPoolExecutor() as threads:
        listening = threads.submit(lambda: asyncio.run(listen(str(client.base_url), token, listeners, ended)))
        time.sleep(2)  # until all of them listen
        writing = threads.submit(drive, store, lease, ended)
        for what, path in {
            "leaderboard while it is written": "/v1/sweeps/long/leaderboard",
            "sweep page while it is written": "/ui/sweeps/long",
            "plot of the page while it is written": "/ui/sweeps/long/plots/history.svg",
        }.items():
            _row(what, [_timed(lambda: _get(client, path)) for _ in range(rounds)])  # noqa: B023
        ended.set()
        written, lags = writing.result(), listening.result()
    _row(f"events to {listeners} listeners, {len(lags):,} of {listeners * written:,}", lags)


def drive(store: Store, lease: Lease, ended: threading.Event) -> int:
    """Trials of 5 epochs, one after the other; how many events there are of them."""
    first, events = len(store.trials(lease.study.id)), 0
    for number in range(first, first + 100_000):
        if ended.is_set():
            return events
        config = {"architecture": "mlp", "learning_rate": 0.1}
        beside: dict[str, Any] = {"seed": 0, "optuna_number": number, "generation": 0}
        store.fenced(lease, lambda conn: journal.add_trial(conn, lease.study, number, config, **beside))  # noqa: B023
        for epoch in range(1, 6):
            time.sleep(PAUSE)
            store.add_record(lease, number, EpochRecord(epoch, {"val_accuracy": 0.5, "val_loss": 0.5}))
        last = {"reason": None, "traceback": None}
        store.fenced(lease, lambda conn: journal.end_trial(conn, lease.study, number, "COMPLETE", **last))  # type: ignore[arg-type]  # noqa: B023
        events += 7
    raise AssertionError("somebody ends it")


async def listen(address: str, token: str, listeners: int, ended: threading.Event) -> list[float]:
    """The seconds from each event's time to its arrival, at every listener."""
    lags: list[float] = []

    async def one(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/v1/sweeps/long/events") as stream:
            stream.raise_for_status()
            async for line in stream.aiter_lines():
                about = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                lags.extend([time.time() - about["time"]] if "time" in about else [])

    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=None, limits=limits) as client:
        tasks = [asyncio.create_task(one(client)) for _ in range(listeners)]
        while not ended.is_set():
            await asyncio.sleep(0.1)
        await asyncio.sleep(3)
        for task in tasks:
            task.cancel()
        failed = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(one, Exception)]
        if failed:
            raise failed[0]
    return lags


def predict(client: httpx.Client, *, seconds: float, each_second: int) -> None:
    """One image a request, as PNG."""
    images = [_png(pixels) for pixels in load_digits().images[:50]]
    headers, path = {"Content-Type": "image/png"}, "/v1/sweeps/digits/predictions"
    first = _timed(lambda: client.post(path, content=images[0], headers=headers).raise_for_status())
    begin = time.monotonic() + 0.5

    def ask(turn: int) -> float:
        due = begin + turn / each_second
        time.sleep(max(0.0, due - time.monotonic()))
        client.post(path, content=images[turn % 50], headers=headers).raise_for_status()
        return time.monotonic() - due

    with ThreadPoolExecutor(8) as threads:
        times = list(threads.map(ask, range(int(seconds * each_second))))
    _row(f"a digit's prediction, {each_second} a second", times, first=first)


def write_long(store: Store, folder: Path, *, num_trials: int, num_records: int) -> StudyRow:
    """A study that has run for long: half of its trials complete, most others pruned, some failed."""
    budget = {"trials": 2 * num_trials, "seconds": None}
    spec = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json(), "data": None}
    spec |= {"search": {"sampler": "tpe", "epochs": num_records, "budget": budget}, "recipe": {}}
    study = store.create_study("long", spec, artifacts=str(folder / "artifacts"), state="running")
    chance, began = random.Random(0), time.time() - num_trials
    rows = [_trial(chance, study.id, number, began + number, num_records) for number in range(num_trials)]

    def work(connection: Any) -> None:
        connection.execute(insert(trials), [trial for trial, _ in rows])
        for start in range(0, num_trials, 500):
            connection.execute(insert(records), [one for _, found in rows[start : start + 500] for one in found])

    store.database.write(work)
    return store.study("long")


def _trial(
    chance: random.Random, study: int, number: int, started: float, num_records: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A trial's row and the rows of its records."""
    config: dict[str, Any] = {
        "architecture": chance.choice(["mlp", "cnn"]),
        "optimizer": chance.choice(["sgd", "adamw"]),
    }
    config |= {"learning_rate": 10 ** chance.uniform(-5, -1), "batch_size": chance.choice([16, 32, 64])}
    config |= {"dropout": chance.uniform(0.0, 0.5)}
    config |= {"architecture.cnn.channels": chance.randint(8, 64)} if config["architecture"] == "cnn" else {}
    config |= {"optimizer.sgd.momentum": chance.uniform(0.0, 0.99)} if config["optimizer"] == "sgd" else {}
    top = chance.uniform(0.3, 0.98)
    values = [top * (1 - 0.8**epoch) + chance.uniform(-0.01, 0.01) for epoch in range(1, num_records + 1)]
    state = chance.choices(["COMPLETE", "PRUNED", "FAIL"], [50, 47, 3])[0]
    best = max(range(num_records), key=values.__getitem__)
    trial = {"study_id": study, "number": number, "generation": 0, "optuna_number": number, "config": config}
    trial |= {"seed": number, "state": state, "attempts": 1, "started": started, "ended": started + 0.9}
    trial |= {"epochs": num_records, "value": values[best], "best_epoch": best + 1}
    trial |= {"reason": "stopped by asha" if state == "PRUNED" else None}
    found = [
        {
            "study_id": study,
            "number": number,
            "epoch": epoch,
            "metrics": {"train_loss": 1.1 - value, "val_loss": 1 - value, "val_accuracy": value},
            "checkpoint": None,
            "time": started + 0.04 * epoch,
        }
        for epoch, value in enumerate(values, 1)
    ]
    return trial, found


def learn_digits(folder: Path, url: str) -> None:
    """A model of the handwritten digits, as the preset for images makes it in half a minute."""
    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        place = folder / "digits" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:04}.png").write_bytes(_png(pixels))
    command = ["fit", "image-classification", folder / "digits", "--budget", "40s", "--name", "digits", "--store", url]
    command += ["--artifacts", folder / "artifacts"]
    subprocess.run([sys.executable, "-c", SERVE, *map(str, command)], check=True, cwd=folder, stdout=subprocess.DEVNULL)


@contextmanager
def serving(url: str, folder: Path) -> Iterator[str]:
    """The service as a process of its own; its address."""
    options = ["--port", "0", "--store", url, "--data", str(folder / "data"), "--artifacts", str(folder / "artifacts")]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "serve", *options], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[3].rstrip(",")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _png(pixels: numpy.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray((pixels * 15.9375).astype(numpy.uint8)).save(file, "png")
    return file.getvalue()


def _get(client: httpx.Client, path: str) -> None:
    found = client.get(path)
    found.raise_for_status()
    assert found.status_code == 200, f"{path}: {found.status_code}"


def _timed(work: Callable[[], object]) -> float:
    time.sleep(PAUSE)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _row(what: str, times: Sequence[float], *, first: float | None = None) -> None:
    shown = [None if first is None else first, statistics.median(times), statistics.quantiles(times, n=20)[-1]]
    cells = ["" if one is None else f"{1000 * one:,.0f}" for one in shown]
    print(f"| {' | '.join([what, *cells])} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="of an empty database; a new SQLite file if not")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--records", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20, help="of predictions")
    parser.add_argument("--predictions", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
