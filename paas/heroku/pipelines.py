"""Pipelines: apps in stages, and promotion between them; none yet."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS
from paas.heroku.absent import Absent, missing, none_of, refuse

router = Router(tags=["pipelines"])

_INSTEAD = "paas has no pipelines yet. Make an app for each stage and push to each."


@router.get("/pipelines", response={200: list[Absent], **ERRORS})
def list_pipelines(request: HttpRequest) -> list[Absent]:
    return none_of(request)


@router.post("/pipelines", response=ERRORS)
def create_pipeline(request: HttpRequest) -> NoReturn:
    refuse(request, _INSTEAD)


@router.get("/pipelines/{pipeline}", response=ERRORS)
def show_pipeline(request: HttpRequest, pipeline: str) -> NoReturn:
    missing(request, "pipeline")


@router.post("/pipeline-couplings", response=ERRORS)
def create_pipeline_coupling(request: HttpRequest) -> NoReturn:
    refuse(request, _INSTEAD)


@router.get("/apps/{app}/pipeline-couplings", response=ERRORS)
def show_pipeline_coupling(request: HttpRequest, app: str) -> NoReturn:
    missing(request, "pipeline", app)
