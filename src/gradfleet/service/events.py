"""Events of a sweep while it runs: one reader a sweep, however many listen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from starlette.concurrency import run_in_threadpool

from gradfleet.errors import GradfleetError, NotFoundError
from gradfleet.fleet.service_errors import type_of
from gradfleet.service import views
from gradfleet.service.documents import SweepSummary, plain
from gradfleet.service.problems import RefusedError, document, status_of
from gradfleet.service.service import Service
from gradfleet.study.storage.news import Happening, Key, all_news, key_of, latest
from gradfleet.study.storage.rows import ENDED

_LOOK_EVERY = 0.3  # seconds
_OVERLAP = 5.0  # seconds that are read again: what is written by two threads need not come in the order of its times
_ADMITTED_EVERY = 2.0  # seconds between looks at whether a listener's token is still valid
_QUIET = 15.0  # seconds after which a line shows that the stream is alive
_BEHIND = 10_000  # events that a listener may be behind; it comes back with Last-Event-ID


def line(kind: str, about: Any, id: str | None = None) -> str:
    """One event as it is sent."""
    head = "" if id is None else f"id: {id}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(plain(about), allow_nan=False)}\n\n"


def line_of(one: Happening) -> str:
    """A record is `record`; a beginning and an end are `trial`."""
    if one.kind == "record":
        return line("record", {"trial": one.trial, "epoch": one.epoch, "metrics": one.about, "time": one.time}, one.id)
    about = {"state": "RUNNING"} | one.about if one.kind == "began" else one.about
    return line("trial", {"trial": one.trial, **about, "time": one.time}, one.id)


@dataclass(frozen=True, slots=True)
class Told:
    """What listeners are told, as text that is made once for all of them.

    Attributes:
        key: of what happened; None for a state of the sweep.
        end: what a stream ends with when this is the last that there is to tell.
    """

    text: str
    key: Key | None = None
    end: str | None = None


def told_state(now: SweepSummary) -> Told:
    end = line("end", now.model_dump()) if now.state in ENDED else None
    return Told(line("sweep", now.model_dump()), end=end)


@dataclass(eq=False)
class Listener:
    """Somebody who is told what happens from now on.

    Attributes:
        is_behind: it reads too slowly, and is told nothing any more.
    """

    queue: asyncio.Queue[Told] = field(default_factory=lambda: asyncio.Queue(_BEHIND))
    is_behind: bool = False


class Feed:
    """Reads what happens in one sweep while somebody listens, and tells each of them."""

    def __init__(self, service: Service, name: str, study_id: int) -> None:
        self._service = service
        self._name = name
        self._study_id = study_id
        self._listeners: set[Listener] = set()
        self._told: set[Key] = set()
        self._latest = 0.0
        self._state: Told | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._problem: GradfleetError | None = None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        """A listener that is told the state of now, and misses nothing of what happens from now on.

        Raises:
            GradfleetError: the store cannot be read.
        """
        listener = Listener()
        self._listeners.add(listener)
        if self._task is None:  # nothing may be awaited before there is one: two listeners can come at once
            self._begun, self._problem, self._state = asyncio.Event(), None, None
            self._task = asyncio.create_task(self._run())
        elif self._state is not None:
            listener.queue.put_nowait(self._state)
        try:
            await self._begun.wait()
            if self._problem is not None:
                raise self._problem
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens."""
        return not self._listeners

    def _begin(self) -> None:
        """What has happened before is not told."""
        self._latest = latest(self._service.store, self._study_id)
        self._told = {one.key for one in self._recent()}

    async def _run(self) -> None:
        try:
            await run_in_threadpool(self._begin)
        except GradfleetError as error:
            self._problem = error
            return
        finally:
            self._begun.set()
        state = None
        while True:
            with contextlib.suppress(GradfleetError):  # the store may be away for a while
                now, found = await run_in_threadpool(self._look)
                self._told = {key for key in self._told if key[0] >= self._latest - _OVERLAP}
                for one in found:
                    self._told.add(one.key)
                    self._tell(Told(line_of(one), one.key))
                if now.state != state:
                    state, self._state = now.state, told_state(now)
                    self._tell(self._state)
            await asyncio.sleep(_LOOK_EVERY)

    def _look(self) -> tuple[SweepSummary, list[Happening]]:
        # The state is read first: whoever hears of the end has heard all that came before.
        now = views.summary(self._service, self._name)
        fresh = [one for one in self._recent() if one.key not in self._told]
        self._latest = max([self._latest, *(one.time for one in fresh)])
        return now, fresh

    def _recent(self) -> Iterator[Happening]:
        """From a while before the latest that is known of."""
        return chain.from_iterable(all_news(self._service.store, self._study_id, self._latest - _OVERLAP))

    def _tell(self, one: Told) -> None:
        for listener in tuple(self._listeners):
            try:
                listener.queue.put_nowait(one)
            except asyncio.QueueFull:
                listener.is_behind = True
                self._listeners.discard(listener)


class Feeds:
    """The feeds of one service, made when somebody listens.

    Attributes:
        open: how many streams there are now.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._feeds: dict[int, Feed] = {}
        self.open = 0

    async def stream(self, name: str, last: str | None, admit: Callable[[], object]) -> AsyncIterator[str]:
        """The events of a sweep as text, until it has ended.

        Args:
            last: the id of the last event that the listener has; None is from now on.
            admit: raises when the listener may not listen any more; the stream ends with why.
        """
        self.open += 1
        try:
            self._refuse_too_many()
            async for text in self._lines(name, last, admit):
                yield text
        except GradfleetError as error:
            yield line("problem", document(status_of(error) or 500, str(error), type=type_of(error)).model_dump())
        finally:
            self.open -= 1

    def _refuse_too_many(self) -> None:
        """Whoever is asked for many at once has let them in before the first of them began."""
        if self.open > self._service.settings.limits.streams:
            raise RefusedError(503, "As many streams are open as may; come back later.")

    async def _lines(self, name: str, last: str | None, admit: Callable[[], object]) -> AsyncIterator[str]:
        shown = await run_in_threadpool(views.summary, self._service, name)
        yield line("sweep", shown.model_dump())
        while (study_id := await run_in_threadpool(self._study_id, name)) is None:
            shown = await run_in_threadpool(views.summary, self._service, name)
            if shown.state in ENDED:
                yield line("end", shown.model_dump())
                return
            yield ": it waits for its turn\n\n"
            await asyncio.sleep(_ADMITTED_EVERY)
            await run_in_threadpool(admit)
        feed = self._feeds.setdefault(study_id, Feed(self._service, name, study_id))
        try:
            async with feed.listening() as listener:
                sent: set[Key] = set()
                cursor = None if last is None else key_of(last)
                if cursor is not None:
                    async for text in self._caught_up(study_id, cursor, sent):
                        yield text
                async for text in self._live(listener, sent, admit):
                    yield text
        finally:
            if feed.is_idle:
                self._feeds.pop(study_id, None)

    async def _caught_up(self, study_id: int, cursor: Key, sent: set[Key]) -> AsyncIterator[str]:
        """What happened after the cursor and before the listener came."""
        parts = all_news(self._service.store, study_id, cursor[0], after=cursor)
        while part := await run_in_threadpool(next, parts, None):
            for one in part:
                sent.add(one.key)
                yield line_of(one)

    async def _live(self, listener: Listener, sent: set[Key], admit: Callable[[], object]) -> AsyncIterator[str]:
        """What happens from now on, until the sweep has ended.

        Raises:
            GradfleetError: the listener may not listen any more, or is too slow.
        """
        clock = asyncio.get_running_loop()
        admitted = spoken = clock.time()
        end: str | None = None
        while not listener.is_behind:
            with contextlib.suppress(TimeoutError):
                one = await asyncio.wait_for(listener.queue.get(), _ADMITTED_EVERY)
                if one.key is None:
                    end = one.end
                if one.key not in sent:
                    yield one.text
                    spoken = clock.time()
            if end is not None and listener.queue.empty():
                yield end
                return
            if clock.time() - admitted >= _ADMITTED_EVERY:
                admitted = clock.time()
                await run_in_threadpool(admit)
            if clock.time() - spoken >= _QUIET:
                spoken = clock.time()
                yield ": alive\n\n"
        raise RefusedError(503, f"You are {_BEHIND:,} events behind; come back with the Last-Event-ID that you have.")

    def _study_id(self, name: str) -> int | None:
        try:
            return self._service.store.study(name).id
        except NotFoundError:
            return None
