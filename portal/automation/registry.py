"""The areas there are. A later part adds its own here, and only here."""

from __future__ import annotations

from portal.automation.areas import Area
from portal.documents.actions import DOCUMENTS
from portal.platforms.actions import PLATFORMS

AREAS: dict[str, Area] = {area.name: area for area in (PLATFORMS, DOCUMENTS)}
