"""The overview of master data. The pages of each kind are in modules of their own."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from portal.masterdata import choices, service, taxes
from portal.masterdata.blueprint import bp

__all__ = ["bp", "choices", "taxes"]


@bp.get("/")
def index() -> ResponseReturnValue:
    return render_template("masterdata/index.html", kinds=choices.KINDS, counts=service.counts())
