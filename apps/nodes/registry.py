"""`/v2/…`: images for nodes, as the OCI distribution specification wants them; to read only.

A repository is an app, by its id (which a rename leaves alone) or its name;
a tag is a release (`v7`), a build's id, or `latest`: the current release. What
can be pulled is what is kept.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from apps.accounts.errors import Refused
from apps.builds.models import Build
from apps.nodes.tokens import node_of
from paas.nix.errors import NixError
from paas.nix.image import Blob, Image, NoImage, read_image
from paas.nix.store import Store

_VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}
_RELEASE = re.compile(r"v([1-9][0-9]{0,8})")
_View = Callable[..., HttpResponse]


class _Missing(Exception):
    """A code of the specification, and a text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def _for_nodes(view: _View) -> _View:
    """Answers errors as the specification wants them."""

    @wraps(view)
    def answer(request: HttpRequest, *args: str, **named: str) -> HttpResponse:
        try:
            node_of(request)
            return view(request, *args, **named)
        except Refused as error:
            code = "UNAUTHORIZED" if error.status == 401 else "TOOMANYREQUESTS"
            return _error(error.status, code, error.message)
        except _Missing as error:
            return _error(404, error.code, error.message)

    return require_safe(answer)


@_for_nodes
def registry(request: HttpRequest) -> HttpResponse:
    """Whether this is a registry and the credentials are good."""
    return JsonResponse({}, headers=_VERSION)


@_for_nodes
def tags(request: HttpRequest, app: str) -> HttpResponse:
    """The releases whose image can be pulled."""
    versions = _builds(app).exclude(releases=None).values_list("releases__version", flat=True)
    names = [f"v{version}" for version in sorted(set(versions))]
    return JsonResponse({"name": app, "tags": names}, headers=_VERSION)


@_for_nodes
def manifest(request: HttpRequest, app: str, reference: str) -> HttpResponse:
    """A manifest by tag or digest."""
    if reference.startswith("sha256:"):
        return _send(reference, _find(app, reference, "MANIFEST_UNKNOWN"))
    image = next(iter(_images(_builds(app).filter(_tagged(reference)))), None)
    if image is None:
        raise _Missing("MANIFEST_UNKNOWN", f"{app} has no image {reference} that is kept.")
    return _send(image.manifest, image.blobs[image.manifest])


@_for_nodes
def blob(request: HttpRequest, app: str, digest: str) -> HttpResponse:
    """A layer or a configuration."""
    return _send(digest, _find(app, digest, "BLOB_UNKNOWN"))


def _builds(app: str) -> QuerySet[Build]:
    """The kept builds of an app that have an image, the newest first."""
    named = Q(app__id=app) if _is_uuid(app) else Q(app__name=app)
    found = Build.objects.filter(named, artifact__has_key="image")
    if not found.exists():
        raise _Missing("NAME_UNKNOWN", f"There is no app {app} with an image.")
    return found


def _tagged(tag: str) -> Q:
    if tag == "latest":
        return Q(releases__current=True)
    if _is_uuid(tag):
        return Q(id=tag)
    version = _RELEASE.fullmatch(tag)
    return Q(releases__version=int(version[1])) if version else Q(pk__in=())


def _find(app: str, digest: str, otherwise: str) -> Blob:
    for image in _images(_builds(app)):
        if digest in image.blobs:
            return image.blobs[digest]
    raise _Missing(otherwise, f"{app} has nothing with the digest {digest} that is kept.")


def _images(builds: QuerySet[Build]) -> list[Image]:
    try:
        store = Store.of(settings.INSTANCE)
    except NixError as error:
        raise _Missing("NAME_UNKNOWN", str(error)) from error
    found = []
    for artifact in builds.values_list("artifact", flat=True):
        try:
            found.append(read_image(store.physical(str((artifact or {})["image"]))))
        except NoImage:
            continue  # collected a moment ago
    return found


def _send(digest: str, found: Blob) -> HttpResponse:
    headers = {**_VERSION, "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
    return HttpResponse(found.content, content_type=found.kind, headers=headers)


def _error(status: int, code: str, message: str) -> HttpResponse:
    challenge = {"WWW-Authenticate": 'Basic realm="paas"'} if status == 401 else {}
    body = {"errors": [{"code": code, "message": message, "detail": None}]}
    return JsonResponse(body, status=status, headers={**_VERSION, **challenge})


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
