"""SHELL: the HTTP and WebSocket doors of the service."""
