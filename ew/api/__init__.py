"""SHELL: HTTP and WebSocket access to the service."""
