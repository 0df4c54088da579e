"""Pages of what automation did: the runs of tasks, the messages of their actions, how long they are kept."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms.validators import InputRequired, NumberRange

from portal.automation import history
from portal.automation.history_columns import RUNS, message_columns
from portal.automation.models import ActionRun, Ending, Severity, Task
from portal.automation.registry import AREAS
from portal.documents.forms import parse_day
from portal.extensions import db
from portal.listings.listing import Listing, list_at
from portal.lists import ID, Filter, View, id_among, one_of
from portal.presentation import TASK_CAUSES, address_of
from portal.tenants.access import require, require_user
from portal.tenants.models import Role, Tenant
from portal.tenants.session import current_tenant
from portal.typed import Form, WholeField

bp = Blueprint("history", __name__)
bp.before_request(require_user)

# Less would take away what somebody looks for after his holidays; more is what backups are for.
LEAST_DAYS, MOST_DAYS = 7, 730

ENDINGS = {
    Ending.MOVING: _l("Under way"),
    Ending.OK: _l("OK"),
    Ending.WARNING: _l("Warning"),
    Ending.ERROR: _l("Error"),
}
SEVERITIES = {Severity.ERROR: _l("Error"), Severity.WARNING: _l("Warning")}


class KeptForm(Form):
    days: WholeField = WholeField(
        _l("Days"),
        [InputRequired(), NumberRange(LEAST_DAYS, MOST_DAYS)],
        description=_l("From %(least)s to %(most)s.", least=LEAST_DAYS, most=MOST_DAYS),
    )


@list_at(bp, "/tasks/runs/")
def index() -> ResponseReturnValue:
    tasks = dict(db.session.execute(select(Task.id, Task.name).order_by(Task.name)).all())
    filters = (
        Filter("task", _l("Task"), id_among(tasks), lambda id: tasks[id]),
        Filter("outcome", _l("Outcome"), one_of(ENDINGS), lambda e: ENDINGS[e]),
        Filter("cause", _l("Started by"), one_of(TASK_CAUSES), lambda c: str(TASK_CAUSES[c])),
        Filter("since", _l("From"), parse_day, format_date),
        Filter("until", _l("To"), parse_day, format_date),
    )
    view = View.of_request("history.index", lambda values: (history.NEWEST,), filters)
    wanted, zone = history.Wanted.of(view.values), ZoneInfo(current_tenant().time_zone)
    opens = address_of("tasks.show_run")
    listing = Listing(
        _("Runs of tasks"),
        view,
        RUNS,
        lambda window: history.rows(wanted, window, zone),
        lambda run: (run.queued_at, run.id),
        lambda: history.count(wanted, zone),
        lambda run: opens(run.id),
    )
    return listing.answer(
        "history/index.html",
        "history/_table.html",
        tasks=tasks,
        endings=ENDINGS,
        bars=history.charted(wanted, zone),
        lasted=history.lasted,
    )


@bp.get("/tasks/runs/retention")
def edit_retention() -> ResponseReturnValue:
    return _retention(KeptForm(days=current_tenant().runs_kept_days))


@bp.post("/tasks/runs/retention")
def update_retention() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = KeptForm()
    if not form.validate_on_submit():
        return _retention(form), 422
    db.session.get_one(Tenant, current_tenant().id).runs_kept_days = form.days.data
    flash(_("Saved. Older runs go within the hour."))
    return redirect(url_for("history.index"))


@list_at(bp, f"/actions/{ID}/messages")
def messages(id: int) -> ResponseReturnValue:
    """All that a run of area actions has to say."""
    run: ActionRun = db.get_or_404(ActionRun, id)
    area = AREAS[run.area]
    filters = (Filter("severity", _l("Severity"), one_of(SEVERITIES), lambda s: SEVERITIES[s]),)
    view = View.of_request("history.messages", lambda values: (history.OLDEST_MESSAGES,), filters, id=id)
    severity = Severity(view.get("severity")) if view.get("severity") else None
    opens = address_of(area.page)
    listing = Listing(
        _("Messages of area actions %(id)s", id=id),
        view,
        message_columns(area),
        lambda window: history.message_rows(id, severity, window),
        lambda message: (message.id,),
        lambda: history.count_messages(id, severity),
        lambda message: opens(message.record_id),
    )
    said = _("It had nothing to say: no warning, no error.")
    return listing.answer(
        "history/messages.html",
        "listings/_plain.html",
        run=run,
        severities=SEVERITIES,
        no_match=_("No message matches"),
        nothing=(_("No message"), said, url_for("actions.show", id=run.id), _("To the actions"), "inbox"),
    )


def _retention(form: KeptForm) -> str:
    return render_template("history/retention.html", form=form)
