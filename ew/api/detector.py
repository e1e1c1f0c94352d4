"""The HTTP application of a detector that runs in another process: its health alone."""

from typing import Any

from fastapi import FastAPI, Response

from ew import __version__
from ew.api.backend import Backend


def create_detector_app(detector: Backend) -> FastAPI:
    """The application for one detector."""
    app = FastAPI(title="ew detector", version=__version__)

    @app.get("/health")
    @app.get("/api/v1/health", include_in_schema=False)
    async def health(response: Response) -> dict[str, Any]:
        """Return the detector's health; 503 when its broker is lost."""
        status = detector.status()
        if status["health"] != "ok":
            response.status_code = 503
        return status

    return app
