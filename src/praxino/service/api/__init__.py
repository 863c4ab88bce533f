"""The HTTP API (FastAPI): routes, bodies, errors, uploads, and the page."""
