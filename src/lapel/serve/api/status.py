"""What is served, whether it answers, and what happened: /models, /model, /health and /metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..http.messages import Request, Response, json_response
from ..inference.models import Models
from ..telemetry.prometheus import CONTENT_TYPE
from ..telemetry.registry import Telemetry

if TYPE_CHECKING:
    from . import shapes


@dataclass
class Status:
    """Answers what needs no photo; `is_stopping` says whether the service has been told to end.

    `teaches` says whether own classes can be taught, `stores` whether there is a wardrobe.
    """

    models: Models
    telemetry: Telemetry
    is_stopping: Callable[[], bool]
    teaches: bool = False
    stores: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether requests should come here."""
        return self.models.ready and not self.is_stopping()

    async def live(self, _request: Request) -> Response:
        """It answers, so it is."""
        answer: shapes.Live = {"live": True}
        return json_response(answer)

    async def ready(self, _request: Request) -> Response:
        """200 where requests should come here, 503 where not."""
        answer: shapes.Ready = {"ready": self.is_ready}
        return json_response(answer, 200 if answer["ready"] else 503)

    async def metrics(self, _request: Request) -> Response:
        """The counts of all workers."""
        return Response(200, self.telemetry.text().encode(), CONTENT_TYPE, (("Cache-Control", "no-store"),))

    async def models_list(self, _request: Request) -> Response:
        """The names of the models."""
        names = self.models.names
        answer: shapes.Models = {
            "models": [{"name": name, "ready": self.models.get(name).ready} for name in names],
            "default": names[0],
            "teach": self.teaches,
            "wardrobe": self.stores,
        }
        return json_response(answer)

    async def model(self, request: Request) -> Response:
        """The card of a model."""
        name = request.query.get("model")
        tagger = self.models.tagger(name)
        card = asdict(tagger.card)
        return json_response(
            {**card, "served_as": self.models.get(name).name, "fingerprint": tagger.fingerprint}
        )
