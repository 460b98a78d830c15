"""The study that a command is about, wherever it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradfleet.errors import SettingError

if TYPE_CHECKING:
    from gradfleet.fleet.service_sweep import ServiceSweep
    from gradfleet.study.study import Study


def study_at(name: str, *, store: str | None, trust_recipe: bool = False) -> Study | ServiceSweep:
    """The study of a store that is opened here, or the sweep of a service; both have the same verbs.

    Raises:
        SettingError: a service is to trust a recipe.
        NotFoundError: there is none of that name.
    """
    from gradfleet.fleet.addresses import is_service
    from gradfleet.fleet.service_client import ServiceClient
    from gradfleet.study.study import Study

    if not is_service(store):
        return Study.attach(name, store=store, trust_recipe=trust_recipe)
    if trust_recipe:
        raise SettingError(
            "A service loads no recipe that was stored by value, whoever trusts it: leave trust_recipe=True out, or "
            "run this where the service's own store is seen."
        )
    return ServiceClient(store).sweep(name)


def study_here(name: str, *, store: str | None, trust_recipe: bool = False, instead: str) -> Study:
    """The study of a store that is opened here, for what no service does.

    Args:
        instead: what to do where a service keeps it, as a sentence.

    Raises:
        SettingError: a service keeps it.
        NotFoundError: there is none of that name.
    """
    from gradfleet.fleet.addresses import is_service
    from gradfleet.study.study import Study

    if is_service(store):
        raise SettingError(f"The service at {store} cannot do this. {instead}")
    return Study.attach(name, store=store, trust_recipe=trust_recipe)
