"""The pages of jobs: every run, how far it is, what came of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from htmx_flask import request

from portal.automation import listing
from portal.automation.columns import columns
from portal.automation.models import IN_FLIGHT, Run, RunState
from portal.documents.listing import platform_names
from portal.extensions import db
from portal.listings.listing import list_at
from portal.listings.records import numbered, records
from portal.lists import ID, Filter
from portal.presentation import address_of
from portal.setup.quiet import quiet_of
from portal.setup.service import SETUP_CHANGED
from portal.tenants.access import require_user

bp = Blueprint("jobs", __name__, url_prefix="/jobs")
bp.before_request(require_user)

STATES = {
    RunState.QUEUED: _l("Queued"),
    RunState.RUNNING: _l("Running"),
    RunState.DONE: _l("Done"),
    RunState.FAILED: _l("Failed"),
}


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    platforms = platform_names()
    listing_ = records(
        _("Jobs"),
        "jobs.index",
        Run,
        columns(platforms),
        (listing.NEWEST,),
        (),
        address_of("jobs.show"),
        filters=(
            numbered(_l("Number of the fetch"), Run.id),
            Filter.among("state", _l("State"), STATES, lambda state: Run.state == state),
            Filter.among("platform", _l("Platform"), platforms, lambda id: Run.platform_id == id),
        ),
    )
    first = _("Every fetch of a platform's orders shows here, from the first on.")
    return listing_.answer(
        "jobs/index.html",
        "listings/_plain.html",
        follows=listing.is_moving,
        no_match=_("No fetch matches"),
        nothing=(_("No fetch yet"), first, url_for("platforms.index"), _("To the platforms"), "list-check"),
    )


@bp.get(f"/{ID}")
def show(id: int) -> ResponseReturnValue:
    return _page("jobs/show.html", db.get_or_404(Run, id))


@bp.get(f"/{ID}/progress")
def run(id: int) -> ResponseReturnValue:
    """How far the run is, for the pages that show it to look again; with its end its own page learns the rest."""
    run: Run = db.get_or_404(Run, id)
    has_ended = run.state not in IN_FLIGHT
    if has_ended and urlsplit(request.htmx.current_url or "").path == url_for("jobs.show", id=id):
        return _page("jobs/_progress.html", run, has_ended=True)
    part = render_template("platforms/_run.html", run=run, quiet=quiet_of(run.platform, run))
    return make_response(part, SETUP_CHANGED) if has_ended else part


def _page(template: str, run: Run, **more: Any) -> str:
    return render_template(
        template,
        run=run,
        quiet=quiet_of(run.platform, run),
        pages=listing.pages_of(run),
        most=listing.MOST_PAGES,
        **more,
    )
