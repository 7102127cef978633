"""Where and on what apps run: regions, stacks and sizes of dynos."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from apps.accounts.schemas import ERRORS, Shape
from apps.catalog.api import REGION
from apps.formation.sizes import SIZES

router = Router(tags=["platform"])

_NAMESPACE = uuid.UUID("0a2e4b0c-52a5-4f53-9bcb-0c9f4f2a8b3e")


class RegionOut(Shape):
    id: uuid.UUID
    name: str
    description: str
    private_capable: bool


class StackOut(Shape):
    id: uuid.UUID
    name: str
    default: bool
    state: str


class DynoSizeOut(Shape):
    """`memory` in GB, `compute` as a share of what "standard" gets."""

    id: uuid.UUID
    name: str
    memory: float
    compute: int


@router.get("/regions", response={200: list[RegionOut], **ERRORS})
def list_regions(request: HttpRequest) -> list[RegionOut]:
    """There is one: where this instance is."""
    here = settings.INSTANCE.domain
    return [RegionOut(id=_id(REGION), name=REGION, description=here, private_capable=False)]


@router.get("/stacks", response={200: list[StackOut], **ERRORS})
def list_stacks(request: HttpRequest) -> list[StackOut]:
    """There is one: what this instance builds with."""
    name = settings.BUILDER
    return [StackOut(id=_id(name), name=name, default=True, state="public")]


@router.get("/dyno-sizes", response={200: list[DynoSizeOut], **ERRORS})
def list_dyno_sizes(request: HttpRequest) -> list[DynoSizeOut]:
    return [
        DynoSizeOut(
            id=_id(size.name),
            name=size.name,
            memory=size.memory_mb / 1024,
            compute=size.cpu_shares // 1024,
        )
        for size in SIZES.values()
    ]


def _id(name: str) -> uuid.UUID:
    """The same at every call: these things have no rows."""
    return uuid.uuid5(_NAMESPACE, name)
