"""The service: a model on the network, for a browser, for curl, for inference clients and balancers."""

from .http.auth import Auth
from .http.messages import Bounds
from .service import serve
from .settings import Settings

__all__ = ["Auth", "Bounds", "Settings", "serve"]
