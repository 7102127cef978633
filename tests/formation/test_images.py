"""How the spec names the image of a build, for each runtime and transport."""

from __future__ import annotations

import uuid

import pytest
from django.conf import LazySettings

from apps.catalog.models import App
from apps.formation.images import image_name
from paas.nix.image import NoImage

PATH = f"/nix/store/{'a' * 32}-nix-image-app.tar"
APP = App(id=uuid.UUID(int=7), name="hello")


def test_a_cluster_gets_the_store_path_as_an_image(settings: LazySettings) -> None:
    settings.RUNTIME = "kubernetes"
    assert image_name(APP, PATH) == f"nix:0{PATH}"
    assert image_name(APP, "registry.example/hello:1") == "registry.example/hello:1"


def test_one_machine_needs_no_image(settings: LazySettings) -> None:
    settings.RUNTIME = "local"
    assert image_name(APP, PATH) == PATH


def test_an_image_that_was_collected_is_told(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RUNTIME = "kubernetes"
    monkeypatch.setenv("PAAS_IMAGE_TRANSPORT", "registry")
    with pytest.raises(NoImage, match="nix-image-app"):
        image_name(APP, PATH)
