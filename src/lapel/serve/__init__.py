"""The service: a model on the network, for a browser, for curl, for inference clients and balancers."""

from .access import Access
from .http import Bounds
from .service import Settings, serve

__all__ = ["Access", "Bounds", "Settings", "serve"]
