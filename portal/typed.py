"""What people type, before a form looks at it."""

from __future__ import annotations

import unicodedata


def one_line(typed: str | None) -> str | None:
    """Without spaces around it and without control characters, of which PostgreSQL refuses one outright."""
    if typed is None:
        return None
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in typed).strip()


def local_path(typed: str | None) -> str | None:
    """The address if it stays on this site, else None: a sign-in page must not lead elsewhere."""
    if not typed or not typed.startswith("/") or typed.startswith("//") or "\\" in typed:
        return None
    if any(unicodedata.category(letter) == "Cc" for letter in typed):  # browsers drop tabs and line ends
        return None
    return typed
