"""The HTTP side of a detector that runs in another process: its health, and nothing else."""

from typing import Any

from fastapi import FastAPI, Response

from ew import __version__
from ew.api.backend import Backend


def create_detector_app(detector: Backend) -> FastAPI:
    """The application over one detector."""
    app = FastAPI(title="ew detector", version=__version__)

    @app.get("/health")
    @app.get("/api/v1/health", include_in_schema=False)
    async def health(response: Response) -> dict[str, Any]:
        """How the detector is; 503 when its broker is lost."""
        status = detector.status()
        if status["health"] != "ok":
            response.status_code = 503
        return status

    return app
