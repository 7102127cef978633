"""Buildpacks that users choose; paas finds out by itself."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS
from paas.heroku.absent import Absent, none_of, refuse

router = Router(tags=["buildpacks"])

_INSTEAD = (
    "paas finds out by itself how an app is built. A nixpacks.toml in its repository changes that."
)


@router.get("/apps/{app}/buildpack-installations", response={200: list[Absent], **ERRORS})
def list_buildpack_installations(request: HttpRequest, app: str) -> list[Absent]:
    return none_of(request, app)


@router.put("/apps/{app}/buildpack-installations", response=ERRORS)
def update_buildpack_installations(request: HttpRequest, app: str) -> NoReturn:
    refuse(request, _INSTEAD, app)
