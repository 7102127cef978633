"""The REST API: every room's router, one error shape, one way in (a token, never a cookie)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.renderers import BaseRenderer

from apps.accounts.api import router as accounts
from apps.accounts.auth import token_auth
from apps.accounts.keys_api import router as ssh_keys
from apps.accounts.schemas import ERRORS, ErrorOut, render
from apps.accounts.users_api import router as users
from apps.builds.api import router as builds
from apps.catalog.access_api import router as access
from apps.catalog.api import router as catalog
from apps.catalog.transfers_api import router as transfers
from apps.formation.api import router as formation
from apps.formation.cron.api import router as cron
from apps.formation.domains_api import router as domains
from apps.formation.internal import router as internal
from apps.formation.owned_api import router as certificates
from apps.logs.api import router as logs
from apps.nodes.api import router as nodes
from apps.releases.api import router as releases
from paas.bodies import JsonObjects
from paas.errors import handle_errors
from paas.heroku.addons import router as addons
from paas.heroku.buildpacks import router as buildpacks
from paas.heroku.drains import router as drains
from paas.heroku.features import router as features
from paas.heroku.pipelines import router as pipelines
from paas.heroku.platform import router as platform
from paas.heroku.teams import router as teams
from paas.heroku.webhooks import router as webhooks


class Api(NinjaAPI):
    """Ninja's, with a document of our own kind."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The function's name, so that a client's names outlive a move of the code."""
        return operation.view_func.__name__

    def get_openapi_schema(self, **how: Any) -> OpenAPISchema:
        """The document, with the one shape that all errors have."""
        document = super().get_openapi_schema(**how)
        document["components"]["schemas"]["ErrorOut"] = ErrorOut.model_json_schema()
        shape = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}}
        for path in document["paths"].values():
            for operation in path.values():
                for status in ERRORS.keys() & operation["responses"].keys():
                    operation["responses"][status]["content"] = shape
        return document


class Json(BaseRenderer):
    """As all else that we write ourselves."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return render(data)


api = Api(
    parser=JsonObjects(),
    renderer=Json(),
    title="paas",
    version="3",
    description="Shaped after Heroku's Platform API v3.",
    auth=token_auth,
    docs_url=None,  # ninja's page loads scripts from elsewhere; paas/docs.py has ours
    openapi_url="/openapi.json",
)
for router in (
    accounts,
    users,
    ssh_keys,
    catalog,
    access,
    transfers,
    builds,
    releases,
    formation,
    domains,
    certificates,
    cron,
    logs,
    nodes,
):
    api.add_router("", router)
for router in (
    addons,
    buildpacks,
    drains,
    features,
    pipelines,
    platform,
    teams,
    webhooks,
):
    api.add_router("", router)
api.add_router("/internal", internal)
handle_errors(api)
