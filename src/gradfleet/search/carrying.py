"""A configuration of one space in another that came out of it."""

from __future__ import annotations

from collections.abc import Mapping

from gradfleet.errors import SpaceError
from gradfleet.search.space import SearchSpace
from gradfleet.search.suggester import Config, Value


def carried_over(config: Mapping[str, Value], *, old: SearchSpace, new: SearchSpace) -> Config | None:
    """The configuration of `new` that trains what `config` of `old` did; None when there is none.

    A dimension that only `new` has is taken to have been at its default. One that only `old` has must have been at
    its own default, which is what everything trains with now. A value that is out of its narrowed range is out.

    Example:
        >>> from gradfleet import Choice, Float
        >>> from gradfleet.search.space import Entry
        >>> old = SearchSpace((Entry("x", Float(0.0, 1.0)),))
        >>> new = SearchSpace((Entry("x", Float(0.0, 0.5)), Entry("loss", Choice("a", "b"))))
        >>> carried_over({"x": 0.2}, old=old, new=new), carried_over({"x": 0.9}, old=old, new=new)
        ({'x': 0.2, 'loss': 'a'}, None)
    """
    if any(name not in new.names and old[name].start != value for name, value in config.items()):
        return None
    try:
        return new.complete({name: value for name, value in config.items() if name in new.names})
    except SpaceError:
        return None
