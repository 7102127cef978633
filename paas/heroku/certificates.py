"""Certificates that users bring themselves; paas gets its own (see domains)."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS
from paas.heroku.absent import Absent, missing, none_of, refuse

router = Router(tags=["certificates"])

_INSTEAD = (
    "paas gets a certificate for each domain by itself and takes none of yours. "
    "Add the domain: paas domains:add NAME"
)


@router.get("/apps/{app}/sni-endpoints", response={200: list[Absent], **ERRORS})
def list_sni_endpoints(request: HttpRequest, app: str) -> list[Absent]:
    return none_of(request, app)


@router.post("/apps/{app}/sni-endpoints", response=ERRORS)
def create_sni_endpoint(request: HttpRequest, app: str) -> NoReturn:
    refuse(request, _INSTEAD, app)


@router.get("/apps/{app}/sni-endpoints/{endpoint}", response=ERRORS)
def show_sni_endpoint(request: HttpRequest, app: str, endpoint: str) -> NoReturn:
    missing(request, "SSL certificate", app)
