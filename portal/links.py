"""Addresses of pages, for what leaves the portal: e-mails and calls."""

from __future__ import annotations

from typing import Any

from flask import current_app


def path_of_page(endpoint: str, **values: Any) -> str:
    """The path of a page, also where there is no request."""
    return str(current_app.url_map.bind("").build(endpoint, values))


def address_of_page(endpoint: str, **values: Any) -> str:
    """The whole address of a page, by which anybody opens it."""
    return str(current_app.config["PUBLIC_URL"]) + path_of_page(endpoint, **values)
