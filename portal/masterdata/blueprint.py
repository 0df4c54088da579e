"""The blueprint of master data."""

from __future__ import annotations

from flask import Blueprint

from portal.tenants.access import require_user

bp = Blueprint("masterdata", __name__, url_prefix="/masterdata")
bp.before_request(require_user)
