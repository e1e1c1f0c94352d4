"""The HTTP side of a detector: its health, and nothing else."""

from typing import Any

from fastapi import FastAPI, Response

from ew import __version__
from ew.service.detector import Detector


def create_detector_app(detector: Detector) -> FastAPI:
    """The application over a running detector."""
    app = FastAPI(title="ew detector", version=__version__)

    @app.get("/health")
    async def health(response: Response) -> dict[str, Any]:
        """How the detector is; 503 when its broker is lost."""
        status = detector.status()
        if status["health"] != "ok":
            response.status_code = 503
        return status

    return app
