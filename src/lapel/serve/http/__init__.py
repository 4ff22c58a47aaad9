"""HTTP/1.1 within limits: messages, connections, the server."""
