"""The HTTP and WebSocket surface: the contract's ``/api`` and ``/ws``."""
