"""Tuner: what a search may vary, registered under names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gradfleet.errors import SpaceError, unknown_name
from gradfleet.search.builder import Builder, first_parameter
from gradfleet.search.choice import Choice
from gradfleet.search.dimensions import Dimension, check_dimension
from gradfleet.search.facts import FACTS, TEXT_FACTS, Facts
from gradfleet.search.optimizers import OptimizerChoice, known_optimizer
from gradfleet.search.space import Entry, SearchSpace, When
from gradfleet.search.suggester import Value

# Settings of compile, fit and loader that can be dimensions.
SETTINGS = ("batch_size", "clip_norm", "layer_decay", "learning_rate", "loss", "precision", "schedule")
_OF_TRAINING = ("batch_size", "clip_norm", "layer_decay", "learning_rate", "schedule")

_OF_A_FUNCTION = (
    " A training function of your own takes dimensions of any name, in a dict or a SearchSpace instead of a Tuner: "
    "AutoModel.from_function(train, {name: dimension}, ...)."
)


@dataclass(frozen=True, slots=True)
class _Optimizer:
    builder: Builder
    factory: Callable[..., Any] | str | None
    network: str | None


class Tuner:
    """Registers architectures, optimizers, callbacks and settings, and makes the search space of them.

    What only training uses, such as an optimizer, is not drawn for architectures that are fitted at once.

    A dimension starts with its own default, else with that of the registered function's signature, else in its middle.
    Optimizers known by name or given as classes start in the middle: their library's defaults fit no range well.

    Example:
        >>> from gradfleet import Choice, Int, Tuner
        >>> tuner = Tuner()
        >>> tuner.architecture("mlp", lambda width: ..., width=Int(16, 256, log=True))
        >>> tuner.add("batch_size", Choice(32, 64))
        >>> tuner.space().default()
        {'architecture': 'mlp', 'architecture.mlp.width': 64, 'batch_size': 32}
    """

    def __init__(self) -> None:
        self._architectures: dict[str, Builder] = {}
        self._optimizers: dict[str, _Optimizer] = {}
        self._callbacks: dict[str, Builder] = {}
        self._added: dict[str, tuple[Dimension, tuple[When, ...]]] = {}

    def architecture(self, name: str, builder: Callable[..., Any], /, **dimensions: Dimension) -> None:
        """Register a function that returns a network: a Module, a dict of Modules, or an uncompiled Model.

        Args:
            builder: gets its dimensions and, where its signature names them, `input_shape`, `num_outputs` and `kind`.

        Raises:
            SpaceError: the name is taken, or a dimension is no parameter of `builder`.
        """
        _check_name("architecture", name, self._architectures)
        self._architectures[name] = Builder(f"architecture.{name}", builder, dimensions, provided=FACTS + TEXT_FACTS)

    def optimizer(
        self,
        name: str,
        factory: Callable[..., Any] | str | None = None,
        /,
        *,
        network: str | None = None,
        **dimensions: Dimension,
    ) -> None:
        """Register an optimizer by the name of one of torch's, or under an own name with what stands for it.

        Args:
            factory: a torch optimizer's class, a function of (parameters, lr, ...), or another known name.
            network: the name of the network that it steps; each network then has a choice of its own.
            dimensions: `learning_rate`, and the optimizer's own options.

        Raises:
            SpaceError: the name is taken or nobody knows it, or a dimension is no option of the optimizer.
        """
        chooser = _chooser(network)
        _check_name("optimizer", name, [key.removeprefix(f"{chooser}.") for key in self._optimizers])
        if any((network is None) != (other.network is None) for other in self._optimizers.values()):
            raise SpaceError(
                f"Optimizer {name!r} has network={network!r}, but others were registered "
                f"{'for one network' if network is None else 'for all'}: say network= for each of them or for none."
            )
        make = factory if callable(factory) else known_optimizer(factory or name)
        prefix = f"{chooser}.{name}"
        builder = Builder(
            prefix,
            make,
            dimensions,
            provided=first_parameter(make),
            aliases={"lr": "learning_rate"},
            own_starts=callable(factory) and not isinstance(factory, type),
        )
        self._optimizers[prefix] = _Optimizer(builder, factory, network)

    def callback(self, name: str, factory: Callable[..., Any], /, **dimensions: Dimension) -> None:
        """Register a callback; each trial gets its own. `add("callbacks.NAME", Choice("on", None))` can leave it out.

        Raises:
            SpaceError: the name is taken, or a dimension is no parameter of `factory`.
        """
        _check_name("callback", name, self._callbacks)
        self._callbacks[name] = Builder(f"callbacks.{name}", factory, dimensions)

    def add(self, name: str, dimension: Dimension, *, when: When | None = None) -> None:
        """Vary a setting of compile, fit or loader, or one more parameter of what is registered.

        Args:
            name: one of `batch_size`, `loss` and the other SETTINGS; `callbacks.NAME`, whose None leaves the callback
                out; or a parameter such as `callbacks.NAME.PARAMETER` or `architecture.NAME.PARAMETER`.
            when: the dimension is drawn only where this holds too.

        Values that `compile` and `fit` would refuse are refused when the search begins.

        Raises:
            SpaceError: the name is taken or means nothing.
        """
        if name in self.space_names():
            raise SpaceError(f"{name!r} is a dimension already; each is added once.")
        check_dimension(name, dimension)
        self._check_added(name, dimension)
        self._added[name] = dimension, () if when is None else (when,)

    def space_names(self) -> tuple[str, ...]:
        """The names of all dimensions registered so far."""
        return tuple(entry.name for entry in self._entries())

    def space(self) -> SearchSpace:
        """The space of everything registered.

        Raises:
            SpaceError: a parameter without a default has no dimension, or a condition cannot hold.
        """
        always = {name: None for name, (_, when) in self._added.items() if not when}
        problems = [
            f"{builder.prefix!r} needs a value for its parameter {parameter!r}: add a dimension, or give it a default."
            for builder in self._builders()
            for parameter in builder.missing([*builder.dimensions, *builder.arguments(always)])
        ]
        if problems:
            raise SpaceError(problems)
        return SearchSpace(tuple(self._entries()))

    def builders(self) -> dict[str, Callable[..., Any]]:
        """Everything registered as a callable, by the prefix of its dimensions."""
        return {builder.prefix: builder.make for builder in self._builders()}

    def build_network(self, config: Mapping[str, Value], facts: Facts | None) -> Any:
        """What the configuration's architecture builds for this data; `facts` are None where there is none.

        Raises:
            SpaceError: no architecture is registered, or none of this name; or it asks for facts that there are not.
        """
        name = config.get("architecture")
        if name not in self._architectures:
            raise SpaceError(unknown_name("architecture", name, self._architectures))
        builder = self._architectures[str(name)]
        asked = [fact for fact in FACTS + TEXT_FACTS if builder.names(fact)]
        if facts is None and asked:
            raise SpaceError(f"{builder.prefix!r} asks for {', '.join(asked)}, and this search has no data that tells.")
        provided = {fact: getattr(facts, fact) for fact in asked}
        return builder.make(**(provided | builder.arguments(config)))

    def optimizer_choices(self, config: Mapping[str, Value]) -> tuple[OptimizerChoice, ...]:
        """One optimizer for each network that has its own, or a single one for all; empty when none is registered."""
        chosen = {f"{chooser}.{config[chooser]}" for chooser in self._choosers() if chooser in config}
        return tuple(_choice(self._optimizers[prefix], config) for prefix in self._optimizers if prefix in chosen)

    def callbacks(self, config: Mapping[str, Value]) -> list[Any]:
        """New callbacks with the parameters that the configuration gives them, without those it leaves out."""
        return [
            builder.make(**builder.arguments(config))
            for builder in self._callbacks.values()
            if config.get(builder.prefix, builder) is not None
        ]

    def setting(self, config: Mapping[str, Value], name: str, default: Any = None) -> Any:
        """A setting's value in the configuration, or `default` when it is not varied.

        Raises:
            SpaceError: there is no such setting.
        """
        if name not in SETTINGS:
            raise SpaceError(unknown_name("setting", name, SETTINGS))
        return config.get(name, default)

    def _builders(self) -> Iterator[Builder]:
        yield from self._architectures.values()
        yield from (optimizer.builder for optimizer in self._optimizers.values())
        yield from self._callbacks.values()

    def _choosers(self) -> dict[str, list[str]]:
        """The dimensions that choose an optimizer, and the names that each chooses from."""
        choosers: dict[str, list[str]] = {}
        for prefix, optimizer in self._optimizers.items():
            chooser = _chooser(optimizer.network)
            choosers.setdefault(chooser, []).append(prefix.removeprefix(f"{chooser}."))
        return choosers

    def _entries(self) -> Iterator[Entry]:
        """What chooses first, then each branch, then what was added."""
        trained = self._trained()
        if self._architectures:
            yield Entry("architecture", Choice(*self._architectures))
        for name, names in self._choosers().items():
            yield Entry(name, Choice(*names), trained)
        branches = {builder.prefix: builder for builder in self._builders()}
        for name, (dimension, when) in self._added.items():
            if name in branches:
                yield Entry(name, dimension, (*trained, *when))
        for builder in branches.values():
            for parameter, dimension in builder.dimensions.items():
                yield self._entry(builder, parameter, dimension)
        for name, (dimension, when) in self._added.items():
            prefix, _, parameter = name.rpartition(".")
            if prefix in branches:
                yield self._entry(branches[prefix], parameter, dimension, *when)
            elif name not in branches:
                yield Entry(name, dimension, (*(trained if name in _OF_TRAINING and not when else ()), *when))

    def _entry(self, builder: Builder, parameter: str, dimension: Dimension, *when: When) -> Entry:
        return Entry(
            f"{builder.prefix}.{parameter}", builder.started(parameter, dimension), (*self._branch(builder), *when)
        )

    def _branch(self, builder: Builder) -> Iterator[When]:
        """Where this builder is used at all."""
        chooser, _, name = builder.prefix.rpartition(".")
        if chooser != "callbacks":
            yield When(chooser, (name,))
        elif builder.prefix in self._added:
            switch = self._added[builder.prefix][0]
            assert isinstance(switch, Choice), "checked when it was added"
            yield When(builder.prefix, tuple(value for value in switch.choices if value is not None))
        else:
            yield from self._trained()

    def _trained(self) -> tuple[When, ...]:
        """Where training is: everywhere, or with the architectures that are not fitted at once."""
        names = tuple(name for name, builder in self._architectures.items() if not builder.fitted_at_once)
        return (When("architecture", names),) if names and len(names) < len(self._architectures) else ()

    def _check_added(self, name: str, dimension: Dimension) -> None:
        if name in SETTINGS:
            return
        branches = {builder.prefix: builder for builder in self._builders()}
        prefix, _, parameter = name.rpartition(".")
        if name.startswith("callbacks.") and name in branches:
            if not isinstance(dimension, Choice) or None not in dimension.choices:
                raise SpaceError(
                    f"{name!r} leaves the callback out where it is None: use Choice('on', None), got {dimension!r}."
                )
        elif prefix not in branches:
            known = [*SETTINGS, *(f"{each.prefix}.{one}" for each in branches.values() for one in each.parameters())]
            raise SpaceError(unknown_name("setting", name, known) + ("" if prefix else _OF_A_FUNCTION))
        elif problems := list(branches[prefix].problems(parameter)):
            raise SpaceError(problems)


def _chooser(network: str | None) -> str:
    return "optimizer" if network is None else f"optimizer.{network}"


def _choice(optimizer: _Optimizer, config: Mapping[str, Value]) -> OptimizerChoice:
    options = optimizer.builder.arguments(config)
    rate = options.pop("learning_rate", config.get("learning_rate"))
    assert rate is None or isinstance(rate, int | float), "the dimension of a learning rate holds numbers"
    name = optimizer.builder.prefix.removeprefix(f"{_chooser(optimizer.network)}.")
    return OptimizerChoice(name, optimizer.factory, rate, options, optimizer.network)


def _check_name(kind: str, name: str, taken: Collection[str]) -> None:
    if not name or "." in name:
        raise SpaceError(f"The name of {kind}s is a word without dots, got {name!r}.")
    if name in taken:
        raise SpaceError(f"The {kind} {name!r} is registered already; each needs its own name.")
