"""The steps on the pages that show them, and the buttons in them."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from htmx_flask import request

from portal.lists import SMALL_ID
from portal.setup import service
from portal.tenants.access import require, require_user
from portal.tenants.models import Role

bp = Blueprint("setup", __name__, url_prefix="/platforms")
bp.before_request(require_user)


@bp.get(f"/{SMALL_ID}/setup")
def show(id: int) -> ResponseReturnValue:
    """How far the set-up is, for pages that show it to look again; on the platform's own page with the latest fetch."""
    platform = service.platform_of(id)
    if not request.htmx:
        return redirect(url_for("platforms.show", id=id))
    guide = service.guide_of(platform)
    beside = urlsplit(request.headers.get("HX-Current-URL", "")).path == url_for("platforms.show", id=id)
    return render_template("setup/_again.html", guide=guide, beside=beside)


@bp.post(f"/{SMALL_ID}/setup/tasks")
def create_task(id: int) -> ResponseReturnValue:
    """Have a task do this for the platform from now on, and show it. Repeated, it shows the same task."""
    require(Role.ADMIN)
    platform = service.platform_of(id)
    preset = request.form.get("preset", "")
    if preset not in service.PRESETS:
        abort(422, _("This is nothing that a task could do for a platform."))
    task, made = service.automate(platform, preset)
    if made:
        flash(_("The task is active from now on. Its first run begins within a quarter of an hour."))
    else:
        flash(_("There is a task for this already."), "info")
    return redirect(url_for("tasks.show", id=task.id))
