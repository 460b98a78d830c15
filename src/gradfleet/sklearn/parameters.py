"""Parameters under names: an estimator's own, and with a double underscore those of its network and optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from sklearn.base import BaseEstimator

from gradfleet.errors import SettingError, unknown_name

NESTED = {"network": "network_options", "optimizer": "optimizer_options"}


class Parameters(BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """`network__width` is the option `width` in `network_options`, `optimizer__momentum` one in `optimizer_options`.

    The double underscore is how sklearn reaches inside: a grid can vary one option and leave the others. As in a
    Pipeline it is understood by `set_params`, and so by every search; the constructor takes the dicts.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002  # sklearn's signature
        """The parameters by name; with `deep` the given options of network and optimizer too."""
        params: dict[str, Any] = super().get_params(deep=deep)
        if deep:
            for name, holder in NESTED.items():
                options = params[holder]
                if isinstance(options, Mapping):
                    params |= {f"{name}__{option}": value for option, value in options.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name; with nothing changed when a name is unknown.

        Raises:
            SettingError: this estimator has no such parameter. Options of network and optimizer are checked by fit.
        """
        own = self.get_params(deep=False)
        inner: dict[str, dict[str, Any]] = {}
        found = []
        for key, value in params.items():
            name, _, option = key.partition("__")
            if option and name in NESTED:
                inner.setdefault(NESTED[name], {})[option] = value
            elif key in own:
                own[key] = value
            else:
                known = [*own, *(f"{name}__OPTION" for name in NESTED)]
                found.append(unknown_name(f"parameter of {type(self).__name__}", key, known))
        if found:
            raise SettingError(found)
        for key, value in own.items():
            setattr(self, key, value)
        for holder, options in inner.items():
            setattr(self, holder, {**(getattr(self, holder) or {}), **options})
        return self
