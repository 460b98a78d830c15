"""Login by token, and logout."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from gradfleet.service.access import address_of, admitted
from gradfleet.service.pages import session
from gradfleet.service.pages.rendering import render
from gradfleet.service.pages.visit import Visit, failed, posted, to
from gradfleet.service.problems import RefusedError
from gradfleet.service.service import Service


def show(request: Request) -> Response:
    """The form; it says so when the token of the last login does not count any more."""
    problem = None
    if session.TOKEN in request.cookies:
        try:
            session.token_of(request.app.state.service, request)
        except RefusedError as error:
            problem = str(error)
    return _form(request, next_page=request.query_params.get("next", ""), problem=problem)


async def enter(request: Request) -> Response:
    async with posted(request) as (form, _):
        pass
    return await run_in_threadpool(_enter, request, form)


def leave(visit: Visit) -> Response:
    answer = to("/ui/login")
    session.drop_cookie(answer, session.TOKEN)
    return answer


def _enter(request: Request, form: Mapping[str, str]) -> Response:
    service: Service = request.app.state.service
    text, next_page = form.get("token", "").strip(), form.get("next", "")
    try:
        token = admitted(service, text, address=address_of(request))  # first, because it counts who tries
        session.check_form(form, request.cookies.get(session.VISITOR))
        request.state.token = token  # for the audit log
    except RefusedError as error:
        if error.status == 401:
            return _form(request, next_page=next_page, problem=str(error), status=401)
        return failed(error)
    answer = to(next_page if next_page.startswith(("/ui/", "/dashboard")) else "/ui/")  # nowhere but here
    session.set_cookie(answer, request, session.TOKEN, text)
    return answer


def _form(request: Request, *, next_page: str, problem: str | None, status: int = 200) -> Response:
    visitor = request.cookies.get(session.VISITOR) or session.new_visitor()
    answer = render(
        "login.html", status=status, visit=None, csrf=session.proof(visitor), next_page=next_page, problem=problem
    )
    session.set_cookie(answer, request, session.VISITOR, visitor)
    return answer
