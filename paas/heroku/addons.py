"""Add-ons: databases and other services beside an app; none yet."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS
from paas.heroku.absent import Absent, missing, none_of, refuse

router = Router(tags=["add-ons"])

_INSTEAD = (
    "paas has no add-ons yet. Run the service yourself and tell the app where it is: "
    "paas config:set DATABASE_URL=..."
)


@router.get("/addons", response={200: list[Absent], **ERRORS})
def list_addons(request: HttpRequest) -> list[Absent]:
    return none_of(request)


@router.get("/addons/{addon}", response=ERRORS)
def show_addon(request: HttpRequest, addon: str) -> NoReturn:
    missing(request, "add-on")


@router.get("/addon-attachments", response={200: list[Absent], **ERRORS})
def list_addon_attachments(request: HttpRequest) -> list[Absent]:
    return none_of(request)


@router.post("/addon-attachments", response=ERRORS)
def create_addon_attachment(request: HttpRequest) -> NoReturn:
    refuse(request, _INSTEAD)


@router.get("/apps/{app}/addons", response={200: list[Absent], **ERRORS})
def list_app_addons(request: HttpRequest, app: str) -> list[Absent]:
    return none_of(request, app)


@router.post("/apps/{app}/addons", response=ERRORS)
def create_addon(request: HttpRequest, app: str) -> NoReturn:
    refuse(request, _INSTEAD, app)


@router.get("/apps/{app}/addons/{addon}", response=ERRORS)
def show_app_addon(request: HttpRequest, app: str, addon: str) -> NoReturn:
    missing(request, "add-on", app)


@router.get("/apps/{app}/addon-attachments", response={200: list[Absent], **ERRORS})
def list_app_addon_attachments(request: HttpRequest, app: str) -> list[Absent]:
    return none_of(request, app)
