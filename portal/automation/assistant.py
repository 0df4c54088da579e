"""Area actions: the assistant that starts them, their schemas and their runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import ColumnElement
from sqlalchemy.orm import joinedload

from portal.automation import actions, history, listing, made
from portal.automation.action_columns import of_runs, of_schemas
from portal.automation.areas import Area, Scope, ScopeKind, Step
from portal.automation.forms import SchemaForm, ScopeForm, StepsForm
from portal.automation.models import IN_FLIGHT, ActionRun, RunState, Schema
from portal.automation.registry import AREAS
from portal.extensions import db
from portal.listings.actions import on_records, removal
from portal.listings.listing import list_at
from portal.listings.records import numbered, records
from portal.lists import ID, SMALL_ID, Filter, Sort
from portal.presentation import address_of
from portal.tenants.access import require, require_user
from portal.tenants.models import Role

bp = Blueprint("actions", __name__, url_prefix="/actions")
bp.before_request(require_user)

STATES = {
    RunState.QUEUED: _l("Queued"),
    RunState.RUNNING: _l("Running"),
    RunState.DONE: _l("Done"),
    RunState.FAILED: _l("Failed"),
    RunState.STOPPED: _l("Stopped"),
}

# A summary counts the records up to this many.
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Chosen:
    """What the address of a step holds: as far as it makes sense."""

    area: Area
    scope_form: ScopeForm
    steps_form: StepsForm
    schema: Schema | None

    def address(self, endpoint: str, **more: Any) -> str:
        return url_for(endpoint, **{**carried(self), **more})


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    areas = {name: area.label for name, area in AREAS.items()}
    listing_ = records(
        _("Area actions"),
        "actions.index",
        ActionRun,
        of_runs(_which),
        (listing.NEWEST_ACTIONS,),
        (),
        address_of("actions.show"),
        [joinedload(ActionRun.schema)],
        (
            numbered(_l("Number, or name of the schema"), ActionRun.id, _of_schema),
            Filter.among("area", _l("Area"), areas, lambda name: ActionRun.area == name),
            Filter.among("state", _l("State"), STATES, lambda state: ActionRun.state == state),
        ),
        (STOP,),
    )
    where = _("Platforms and documents have a button AREA ACTIONS: it does something with many of them at once.")
    return listing_.answer(
        "actions/index.html",
        "listings/_plain.html",
        follows=listing.is_moving,
        nothing=(_("No area actions yet"), where, url_for("platforms.index"), _("To the platforms"), "list-check"),
    )


@bp.get("/assistant/scope")
def scope() -> ResponseReturnValue:
    return _page("scope", _chosen())


@bp.get("/assistant/steps")
def steps() -> ResponseReturnValue:
    chosen = _chosen()
    if not chosen.scope_form.validate():
        return _page("scope", chosen), 422
    return _page("steps", chosen)


@bp.get("/assistant/summary")
def summary() -> ResponseReturnValue:
    chosen = _chosen()
    if refusal := _refusal(chosen):
        return refusal, 422
    return _summary(chosen, SchemaForm(formdata=None, name=chosen.schema.name if chosen.schema else ""))


@bp.post("/assistant")
def run() -> ResponseReturnValue:
    """Run what the summary shows. 422 where it makes no sense any more."""
    chosen = _chosen()
    if refusal := _refusal(chosen):
        return refusal, 422
    started = actions.start(
        chosen.area, chosen.scope_form.scope, chosen.steps_form.steps, current_user.id, chosen.schema
    )
    return redirect(url_for("actions.show", id=started.id))


@bp.post("/schemas")
def save_schema() -> ResponseReturnValue:
    """SAVE AS NEW SCHEMA, or over the one the assistant was opened with. Nothing runs by it."""
    require(Role.ADMIN)
    chosen = _chosen()
    if refusal := _refusal(chosen):
        return refusal, 422
    form = SchemaForm()
    over = chosen.schema if "over" in request.form else None
    saved: list[Schema] = []
    if not form.accepts(
        lambda: saved.append(
            actions.save_schema(form.name.data, chosen.area, chosen.scope_form.scope, chosen.steps_form.steps, over)
        )
    ):
        return _summary(chosen, form), 422
    flash(_("The schema “%(name)s” is saved. It is kept whether you run it now or not.", name=form.name.data))
    return redirect(chosen.address("actions.summary", schema=saved[0].id))


@list_at(bp, "/schemas")
def schemas() -> ResponseReturnValue:
    listing_ = records(
        _("Schemas"),
        "actions.schemas",
        Schema,
        of_schemas(_which, current_user.may(Role.ADMIN)),
        (Sort("name", (Schema.name, Schema.id)),),
        (Schema.name,),
        address_of("actions.open_schema"),
        actions=(RUN, *((REMOVE,) if current_user.may(Role.ADMIN) else ())),
    )
    how = _("The last step of the area actions keeps them under a name. Open them at the platforms or documents.")
    to_actions = url_for("actions.scope", area="platforms")
    return listing_.answer(
        "actions/schemas.html",
        "listings/_plain.html",
        nothing=(_("No schema yet"), how, to_actions, _("Area actions"), "list-check"),
    )


@bp.get(f"/schemas/{SMALL_ID}")
def open_schema(id: int) -> ResponseReturnValue:
    """The assistant at its summary, as the schema says."""
    schema: Schema = db.get_or_404(Schema, id)
    kept = scope_of(schema)
    steps = [Step.of_json(step) for step in schema.steps]
    arguments = {name: value for step in steps for name, value in step.arguments.items()}
    return redirect(
        url_for(
            "actions.summary",
            area=schema.area,
            schema=schema.id,
            kind=kept.kind.value,
            ids=list(kept.ids),
            first=kept.first or None,
            last=kept.last or None,
            platform=kept.platform,
            presets=[step.preset for step in steps],
            **arguments,
        )
    )


@bp.post(f"/schemas/{SMALL_ID}/runs")
def run_schema(id: int) -> ResponseReturnValue:
    started = _start(db.get_or_404(Schema, id))
    return redirect(url_for("actions.show", id=started.id))


@bp.post(f"/schemas/{SMALL_ID}/removal")
def remove_schema(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    schema: Schema = db.get_or_404(Schema, id)
    try:
        actions.remove_schema(schema)
    except actions.SchemaInUse as in_use:
        flash(str(in_use), "danger")
        return redirect(url_for("actions.schemas"))
    flash(_("The schema “%(name)s” is removed. What it did stays.", name=schema.name))
    return redirect(url_for("actions.schemas"))


@bp.get(f"/{ID}")
def show(id: int) -> ResponseReturnValue:
    return _show("actions/show.html", db.get_or_404(ActionRun, id))


@bp.get(f"/{ID}/progress")
def progress(id: int) -> ResponseReturnValue:
    """How far the run is, for its page to look again."""
    return _show("actions/_run.html", db.get_or_404(ActionRun, id))


@bp.post(f"/{ID}/stop")
def stop(id: int) -> ResponseReturnValue:
    run: ActionRun = db.get_or_404(ActionRun, id)
    actions.stop(run)
    return redirect(url_for("actions.show", id=id))


def _start(schema: Schema) -> ActionRun:
    steps = [Step.of_json(step) for step in schema.steps]
    return actions.start(AREAS[schema.area], scope_of(schema), steps, current_user.id, schema)


STOP = on_records(
    "stop",
    _l("Stop"),
    "hand-stop",
    _l("Those under way stop after the record in hand. What is done stays done."),
    ActionRun,
    actions.stop,
    lambda num: ngettext("%(num)s is being stopped.", "%(num)s are being stopped.", num),
    lambda run: run.state in IN_FLIGHT,
)
RUN = on_records(
    "run",
    _l("Run"),
    "player-play",
    _l("Each does its actions with all it was saved for."),
    Schema,
    _start,
    lambda num: ngettext("%(num)s is on its way.", "%(num)s are on their way.", num),
)
REMOVE = removal(Schema, actions.remove_schema)


def in_words(area: Area, scope: Scope) -> str:
    """Which records a scope means, for a person."""
    if scope.kind == ScopeKind.SELECTION:
        return _("%(area)s: %(count)s selected", area=area.label, count=len(scope.ids))
    if scope.kind == ScopeKind.ALL:
        return _("%(area)s: all", area=area.label)
    parts = [
        _("from %(number)s", number=scope.first) if scope.first else "",
        _("to %(number)s", number=scope.last) if scope.last else "",
        _("of platform %(number)s", number=scope.platform) if scope.platform is not None else "",
    ]
    return _("%(area)s: %(range)s", area=area.label, range=" ".join(filter(None, parts)) or _("all"))


def _of_schema(typed: str) -> ColumnElement[bool]:
    return ActionRun.schema.has(Schema.name.icontains(typed, autoescape=True))


def _which(kept: Schema | ActionRun) -> str:
    return in_words(AREAS[kept.area], scope_of(kept))


def scope_of(kept: Schema | ActionRun) -> Scope:
    return Scope.of_json(kept.scope)


def carried(chosen: Chosen) -> dict[str, Any]:
    """What the steps of the assistant hand on."""
    scope, steps = chosen.scope_form, chosen.steps_form
    return {
        "area": chosen.area.name,
        "schema": chosen.schema.id if chosen.schema else None,
        "kind": scope.kind.data,
        "ids": list(scope.ids),
        "first": scope.first.data or None,
        "last": scope.last.data or None,
        "platform": scope.platform.data,
        "presets": list(steps.presets.data or ()),
        "order_id": steps.order_id.data or None,
        "days": steps.days.data,
    }


def _chosen() -> Chosen:
    area = AREAS.get(request.values.get("area", ""))
    if area is None:
        abort(404)
    schema_id = request.values.get("schema", 0, type=int)
    schema = db.session.get(Schema, schema_id) if 0 < schema_id < 2**31 else None
    return Chosen(area, ScopeForm(area), StepsForm(area), schema)


def _refusal(chosen: Chosen) -> str | None:
    """The first step of the assistant at which what was chosen makes no sense, with the reason at the field."""
    if not chosen.scope_form.validate():
        return _page("scope", chosen)
    if not chosen.steps_form.validate():
        return _page("steps", chosen)
    return None


def _page(step: str, chosen: Chosen) -> str:
    return render_template(f"actions/{step}.html", chosen=chosen, carried=carried(chosen), area=chosen.area)


def _summary(chosen: Chosen, form: SchemaForm) -> str:
    scope = chosen.scope_form.scope
    return render_template(
        "actions/summary.html",
        chosen=chosen,
        carried=carried(chosen),
        area=chosen.area,
        words=in_words(chosen.area, scope),
        count=chosen.area.count(scope, MOST_COUNTED),
        most=MOST_COUNTED,
        form=form,
    )


def _show(template: str, run: ActionRun) -> str:
    area = AREAS[run.area]
    steps = [(area.preset(step["preset"]), step["arguments"]) for step in run.steps]
    return render_template(
        template,
        run=run,
        area=area,
        steps=steps,
        words=in_words(area, scope_of(run)),
        messages=actions.messages_of(run),
        results=made.results_of([run.id])[run.id],
        lasted=history.lasted(run),
        most_messages=actions.MOST_SHOWN,
    )
