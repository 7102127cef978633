"""Static files, served by the web process itself under names that hold a hash."""

from __future__ import annotations

from io import BytesIO

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise with whole answers: under ASGI a synchronous stream is read as a whole anyway."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        file = self.files.get(request.path_info)
        if file is None:
            answer: HttpResponseBase = self.get_response(request)
            return answer
        found = file.get_response(request.method, request.META)
        with found.file or BytesIO() as content:
            response = HttpResponse(content.read(), status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response
