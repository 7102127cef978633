"""Features that are switched on and off (Heroku Labs); none."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS
from paas.heroku.absent import Absent, missing, none_of, refuse

router = Router(tags=["features"])

_INSTEAD = "paas has no features to switch."


@router.get("/account/features", response={200: list[Absent], **ERRORS})
def list_account_features(request: HttpRequest) -> list[Absent]:
    return none_of(request)


@router.get("/account/features/{feature}", response=ERRORS)
def show_account_feature(request: HttpRequest, feature: str) -> NoReturn:
    missing(request, "feature")


@router.patch("/account/features/{feature}", response=ERRORS)
def update_account_feature(request: HttpRequest, feature: str) -> NoReturn:
    refuse(request, _INSTEAD)


@router.get("/apps/{app}/features", response={200: list[Absent], **ERRORS})
def list_app_features(request: HttpRequest, app: str) -> list[Absent]:
    return none_of(request, app)


@router.get("/apps/{app}/features/{feature}", response=ERRORS)
def show_app_feature(request: HttpRequest, app: str, feature: str) -> NoReturn:
    missing(request, "feature", app)


@router.patch("/apps/{app}/features/{feature}", response=ERRORS)
def update_app_feature(request: HttpRequest, app: str, feature: str) -> NoReturn:
    refuse(request, _INSTEAD, app)
