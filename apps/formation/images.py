"""How a cluster's nodes name the image that a build has made."""

from __future__ import annotations

from django.conf import settings

from apps.catalog.models import App
from paas.nix.image import reference, transport
from paas.nix.store import Store, is_store_path
from paas.runtimes.choice import KUBERNETES


def image_name(app: App, made: str) -> str:
    """What a pod says of it, by `PAAS_IMAGE_TRANSPORT`.

    Args:
        made: what the build's artifact says: its store path.

    Raises:
        NoImage: it has been collected; only a build makes it again.
    """
    if settings.RUNTIME != KUBERNETES or not is_store_path(made):
        return made
    archive = Store.of(settings.INSTANCE).physical(made)
    return reference(transport(), settings.INSTANCE, str(app.id), made, archive)
