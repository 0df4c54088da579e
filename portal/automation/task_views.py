"""Pages of tasks."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from portal.automation import actions, history, made, services, tasks
from portal.automation.kinds import KINDS as ACTION_KINDS
from portal.automation.kinds import called
from portal.automation.models import ActionRun, Schema, Service, Task, TaskAction, TaskRun
from portal.automation.registry import AREAS
from portal.automation.reports import doings_of, names_in
from portal.automation.task_columns import STANDINGS, of_tasks
from portal.automation.task_forms import (
    CONDITIONS,
    KINDS,
    MOST_ACTIONS,
    OF_KIND,
    WEEKDAYS,
    TaskForm,
    TriggerForm,
    clock,
    filled,
    parsed_times,
)
from portal.automation.triggers import LAST_DAY, LAST_WORKING_DAY, Trigger, TriggerKind, first
from portal.extensions import db
from portal.http import not_found
from portal.listings.actions import on_records, removal, switches
from portal.listings.listing import list_at
from portal.listings.records import records
from portal.lists import ID, SMALL_ID, Filter
from portal.presentation import address_of
from portal.tenants.access import require, require_user
from portal.tenants.models import Role

bp = Blueprint("tasks", __name__, url_prefix="/tasks")
bp.before_request(require_user)

# How many of the next starts the form shows.
SHOWN_STARTS = 5


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    names = {service.id: service.name for service in services.all_of_tenant()}
    listing = records(
        _("Tasks"),
        "tasks.index",
        Task,
        of_tasks(in_words),
        tasks.SORTS,
        (Task.name,),
        address_of("tasks.show"),
        [selectinload(Task.actions).joinedload(TaskAction.schema), joinedload(Task.service)],
        (
            Filter.among("service", _l("Service"), names, lambda id: Task.service_id == id),
            Filter.among("state", _l("State"), STANDINGS, tasks.standing_at),
        ),
        (RUN_NEXT, *(CHANGES if current_user.may(Role.ADMIN) else ())),
    )
    has_schema = db.session.scalar(select(Schema.id).limit(1)) is not None
    return listing.answer(
        "tasks/index.html",
        "listings/_plain.html",
        has_schema=has_schema,
        no_match=_("No task matches"),
        nothing=_no_task(has_schema, current_user.may(Role.ADMIN)),
    )


@bp.get("/new")
def new() -> ResponseReturnValue:
    require(Role.ADMIN)
    if not services.all_of_tenant():
        return redirect(url_for("services.new", to=url_for("tasks.new")))
    form = _offered(TaskForm(kind=TriggerKind.DAILY.value, times="8:00", pause=15))
    starts = _next_starts(Trigger(TriggerKind.DAILY, parsed_times(form.times.data)))
    return render_template("tasks/edit.html", form=form.narrow(), task=None, starts=starts)


@bp.post("/")
def create() -> ResponseReturnValue:
    require(Role.ADMIN)
    return _save(Task())


@bp.get("/starts")
def starts() -> ResponseReturnValue:
    """The next starts of what is typed so far, for the form to show."""
    form = TriggerForm(formdata=request.args, meta={"csrf": False})
    return render_template("tasks/_starts.html", starts=_next_starts(form.trigger) if form.validate() else None)


@bp.get("/schemas")
def schemas() -> ResponseReturnValue:
    """The functions and schemas that fit what is chosen in an action, for the form to show."""
    number = request.args.get("row", -1, type=int)
    if number not in range(MOST_ACTIONS):
        raise not_found()
    form = _offered(TaskForm(formdata=request.args, meta={"csrf": False}))
    form.let_go(number)
    return render_template("tasks/_schemas.html", row=form.narrow().rows[number])


@bp.get(f"/{SMALL_ID}")
def show(id: int) -> ResponseReturnValue:
    task: Task = db.get_or_404(Task, id)
    return render_template(
        "tasks/show.html",
        task=task,
        words=in_words(task),
        called=called,
        kinds=ACTION_KINDS,
        runs=tasks.runs_of(task),
        conditions=CONDITIONS,
        bars=history.charted(TaskRun.task_id == task.id),
        lasted=history.lasted,
    )


@bp.get(f"/{SMALL_ID}/edit")
def edit(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    task: Task = db.get_or_404(Task, id)
    form = _offered(TaskForm(**filled(task)), task)
    starts = _next_starts(tasks.trigger_of(task))
    return render_template("tasks/edit.html", form=form.narrow(), task=task, starts=starts)


@bp.post(f"/{SMALL_ID}/edit")
def update(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    return _save(db.get_or_404(Task, id))


@bp.post(f"/{SMALL_ID}/runs")
def run(id: int) -> ResponseReturnValue:
    """RUN NEXT, before all else that waits for its service; also a task that is switched off. Not a locked one."""
    task: Task = db.get_or_404(Task, id)
    try:
        started = tasks.run_next(task)
    except tasks.NotRun as refused:
        flash(str(refused), "warning")
        return redirect(url_for("tasks.show", id=id))
    return redirect(url_for("tasks.show_run", id=started.id))


@bp.post(f"/{SMALL_ID}/unlocking")
def unlock(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    task: Task = db.get_or_404(Task, id)
    tasks.unlock(task)
    flash(_("The task is unlocked."))
    return redirect(url_for("tasks.show", id=id))


@bp.post(f"/{SMALL_ID}/removal")
def remove(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    task: Task = db.get_or_404(Task, id)
    try:
        tasks.remove(task)
    except tasks.IsRunning as refused:
        flash(str(refused), "danger")
        return redirect(url_for("tasks.show", id=id))
    flash(_("The task “%(name)s” is removed, with the list of its runs.", name=task.name))
    return redirect(url_for("tasks.index"))


@bp.get(f"/runs/{ID}")
def show_run(id: int) -> ResponseReturnValue:
    return _run_page("tasks/run.html", db.get_or_404(TaskRun, id))


@bp.get(f"/runs/{ID}/progress")
def progress(id: int) -> ResponseReturnValue:
    """How far the run is, for its page to look again."""
    return _run_page("tasks/_run.html", db.get_or_404(TaskRun, id))


RUN_NEXT = on_records(
    "run",
    _l("Run next"),
    "player-play",
    _l("Each runs before all else that waits for its service."),
    Task,
    tasks.run_next,
    lambda num: ngettext("%(num)s runs next.", "%(num)s run next.", num),
)
UNLOCK = on_records(
    "unlock",
    _l("Unlock"),
    "lock",
    _l("Those that are locked run again from their next start on."),
    Task,
    tasks.unlock,
    lambda num: ngettext("%(num)s is unlocked.", "%(num)s are unlocked.", num),
    lambda task: task.locked_at is not None,
)
CHANGES = (UNLOCK, *switches(Task, tasks.switch), removal(Task, tasks.remove))


def in_words(task: Task) -> str:
    """When a task starts, for a person."""
    times = ", ".join(clock(at) for at in task.times)
    if task.kind == TriggerKind.CONTINUOUS:
        words = ngettext(
            "Continuously, %(minutes)s minute between two runs",
            "Continuously, %(minutes)s minutes between two runs",
            task.pause_minutes,
            minutes=task.pause_minutes,
        )
        if task.window_begin is not None and task.window_end is not None:
            begin, end = clock(task.window_begin), clock(task.window_end)
            words += ", " + _("from %(begin)s until %(end)s", begin=begin, end=end)
        return words
    if task.kind == TriggerKind.DAILY:
        return _("Daily at %(times)s", times=times)
    if task.kind == TriggerKind.WEEKLY:
        days = ", ".join(str(WEEKDAYS[number]) for number in task.weekdays)
        return _("%(days)s at %(times)s", days=days, times=times)
    if task.kind == TriggerKind.MONTHLY:
        named = {LAST_DAY: _("last day"), LAST_WORKING_DAY: _("last working day")}
        day = named.get(task.month_day, f"{task.month_day}.")
        return _("Monthly on the %(day)s at %(times)s", day=day, times=times)
    return str(KINDS[TriggerKind.MANUAL])


def _no_task(has_schema: bool, may_make: bool) -> tuple[str, str, str | None, str, str]:
    """What is said where there is no task: a task needs a schema first."""
    if has_schema:
        purpose = _("A task runs schemas by itself: every morning, every quarter of an hour, on the last working day.")
        to, label = url_for("tasks.new"), _("New task")
    else:
        purpose = _("A task runs schemas by itself. Make a schema first: the last step of the area actions keeps one.")
        to, label = url_for("actions.scope", area="platforms"), _("Area actions")
    return _("No task yet"), purpose, to if may_make else None, label, "clock"


def _save(task: Task) -> ResponseReturnValue:
    form = _offered(TaskForm(), task)

    def save() -> None:
        service = db.session.get_one(Service, form.service.data) if "service" in form else None
        tasks.save(task, form.name.data, form.active.data, form.trigger, form.planned, service)

    if form.accepts(save):
        flash(_("The task is saved."))
        return redirect(url_for("tasks.show", id=task.id))
    present = task if task.id else None
    return render_template("tasks/edit.html", form=form.narrow(), task=present, starts=_starts(form)), 422


def _offered(form: TaskForm, task: Task | None = None) -> TaskForm:
    schemas = db.session.scalars(select(Schema).order_by(Schema.name)).all()
    own = {service.id: service.name for service in services.all_of_tenant()}
    return form.offer(schemas, own, task.actions if task is not None and task.id else ())


def _starts(form: TriggerForm) -> list[datetime] | None:
    """The next starts where the fields of the trigger make sense."""
    if form.kind.data not in OF_KIND or any(form[name].errors for name in OF_KIND[form.kind.data]):
        return None
    return _next_starts(form.trigger)


def _next_starts(trigger: Trigger) -> list[datetime]:
    return first(trigger, datetime.now(UTC), tasks.zone(), SHOWN_STARTS)


def _run_page(template: str, run: TaskRun) -> str:
    done = doings_of(run)
    return render_template(
        template,
        run=run,
        names=names_in(run),
        done=done,
        kinds=ACTION_KINDS,
        conditions=CONDITIONS,
        areas=AREAS,
        results=made.results_of([child.id for child in done.values() if isinstance(child, ActionRun)]),
        messages_of=actions.messages_of,
        most_messages=actions.MOST_SHOWN,
        lasted=history.lasted,
    )
