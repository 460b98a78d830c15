"""What cannot be undone is asked for twice: a page of its own, which needs no script."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from gradfleet.service.pages.visit import Handler, Visit


def before(question: Callable[[Visit], str], *, back: Callable[[Visit], str]) -> Handler:
    """A page that asks; its button posts to the page's own address.

    Args:
        question: what is asked; raises where there is nothing to be done.
        back: the address for who says no.
    """

    def show(visit: Visit) -> Response:
        return visit.render("confirm.html", question=question(visit), action=visit.request.url.path, back=back(visit))

    return show
