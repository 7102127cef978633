"""Log drains: an app's log sent elsewhere; none yet."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS
from paas.heroku.absent import Absent, missing, none_of, refuse

router = Router(tags=["log drains"])

_INSTEAD = "paas has no log drains yet. `paas logs --tail` streams an app's log."


@router.get("/apps/{app}/log-drains", response={200: list[Absent], **ERRORS})
def list_log_drains(request: HttpRequest, app: str) -> list[Absent]:
    return none_of(request, app)


@router.post("/apps/{app}/log-drains", response=ERRORS)
def create_log_drain(request: HttpRequest, app: str) -> NoReturn:
    refuse(request, _INSTEAD, app)


@router.get("/apps/{app}/log-drains/{drain}", response=ERRORS)
def show_log_drain(request: HttpRequest, app: str, drain: str) -> NoReturn:
    missing(request, "log drain", app)
