"""Pages of what automation did: the runs of tasks, the messages of their actions, how long they are kept."""

from __future__ import annotations

from operator import attrgetter
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from wtforms.validators import InputRequired, NumberRange

from portal.automation import history
from portal.automation.history_columns import RUNS, message_columns
from portal.automation.models import ActionMessage, ActionRun, Severity, Task, TaskRun
from portal.automation.registry import AREAS
from portal.extensions import db
from portal.listings.listing import list_at
from portal.listings.records import records
from portal.lists import ID, Filter
from portal.presentation import address_of
from portal.tenants.access import require, require_user
from portal.tenants.models import Role, Tenant
from portal.tenants.session import current_tenant
from portal.typed import Form, WholeField

bp = Blueprint("history", __name__)
bp.before_request(require_user)

# Less would take away what somebody looks for after his holidays; more is what backups are for.
LEAST_DAYS, MOST_DAYS = 7, 730

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
    listing = records(
        _("Runs of tasks"),
        "history.index",
        TaskRun,
        RUNS,
        (history.NEWEST,),
        (),
        address_of("tasks.show_run"),
        [joinedload(TaskRun.task)],
        history.filters(tasks, ZoneInfo(current_tenant().time_zone)),
    )
    return listing.answer(
        "history/index.html",
        "history/_table.html",
        bars=history.charted(*listing.view.conditions),
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
    listing = records(
        _("Messages of area actions %(id)s", id=id),
        "history.messages",
        ActionMessage,
        message_columns(area),
        (history.OLDEST_MESSAGES,),
        (ActionMessage.record,),
        address_of(area.page),
        filters=(
            Filter.among("severity", _l("Severity"), SEVERITIES, lambda severity: ActionMessage.severity == severity),
        ),
        among=(ActionMessage.action_run_id == id,),
        opened=attrgetter("record_id"),
        id=id,
    )
    said = _("It had nothing to say: no warning, no error.")
    return listing.answer(
        "history/messages.html",
        "listings/_plain.html",
        run=run,
        no_match=_("No message matches"),
        nothing=(_("No message"), said, url_for("actions.show", id=run.id), _("To the actions"), "inbox"),
    )


def _retention(form: KeptForm) -> str:
    return render_template("history/retention.html", form=form)
