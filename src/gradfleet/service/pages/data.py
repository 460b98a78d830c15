"""What sweeps may learn from: data sets that are there, and new ones by upload."""

from __future__ import annotations

import shutil
from urllib.parse import urlencode

from starlette.responses import Response

from gradfleet.errors import SettingError
from gradfleet.service import datasets
from gradfleet.service.pages.visit import Visit, to


def show(visit: Visit) -> Response:
    return _rendered(visit)


def upload(visit: Visit) -> Response:
    """Keep a file; the page of a new sweep that it was sent from comes next."""
    file = visit.files.get("file")
    if file is None or not file.filename:
        return _rendered(visit, problem="Choose a file first: a zip of class folders, or a table.", status=422)
    name = file.filename.replace("\\", "/").rpartition("/")[2]
    try:
        with datasets.receiving(visit.service, name) as target:
            shutil.copyfileobj(file.file, target)
    except SettingError as error:
        return _rendered(visit, problem=str(error), status=422)
    task = visit.form.get("task")
    return to(f"/ui/new?{urlencode({'task': task, 'data': name})}" if task else "/ui/data")


def delete(visit: Visit) -> Response:
    datasets.delete(visit.service, visit.request.path_params["file"])
    return to("/ui/data")


def _rendered(visit: Visit, *, problem: str | None = None, status: int = 200) -> Response:
    return visit.render("data.html", found=datasets.listed(visit.service), problem=problem, status=status)
