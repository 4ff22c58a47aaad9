"""The service: a model on the network, for a browser, for curl, for inference clients and balancers."""

from .api.auth import Access
from .http.messages import Bounds
from .service import Settings, serve

__all__ = ["Access", "Bounds", "Settings", "serve"]
