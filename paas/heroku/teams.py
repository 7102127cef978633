"""Teams: people who own apps together; none yet."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS
from paas.heroku.absent import Absent, missing, none_of, refuse

router = Router(tags=["teams"])

_INSTEAD = "paas has no teams yet. Give people access to an app: paas access:add E-MAIL"


@router.get("/teams", response={200: list[Absent], **ERRORS})
def list_teams(request: HttpRequest) -> list[Absent]:
    return none_of(request)


@router.post("/teams", response=ERRORS)
def create_team(request: HttpRequest) -> NoReturn:
    refuse(request, _INSTEAD)


@router.post("/teams/apps", response=ERRORS)
def create_team_app(request: HttpRequest) -> NoReturn:
    refuse(request, _INSTEAD)


@router.get("/teams/{team}", response=ERRORS)
def show_team(request: HttpRequest, team: str) -> NoReturn:
    missing(request, "team")


@router.get("/teams/{team}/apps", response=ERRORS)
def list_team_apps(request: HttpRequest, team: str) -> NoReturn:
    missing(request, "team")
