"""Webhooks: news of an app sent elsewhere; none yet."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS
from paas.heroku.absent import Absent, missing, none_of, refuse

router = Router(tags=["webhooks"])

_INSTEAD = "paas has no webhooks yet. Ask the API for the app's releases and dynos instead."


@router.get("/apps/{app}/webhooks", response={200: list[Absent], **ERRORS})
def list_webhooks(request: HttpRequest, app: str) -> list[Absent]:
    return none_of(request, app)


@router.post("/apps/{app}/webhooks", response=ERRORS)
def create_webhook(request: HttpRequest, app: str) -> NoReturn:
    refuse(request, _INSTEAD, app)


@router.get("/apps/{app}/webhooks/{webhook}", response=ERRORS)
def show_webhook(request: HttpRequest, app: str, webhook: str) -> NoReturn:
    missing(request, "webhook", app)
