"""Area actions: started by a person, done by a worker record by record, gone on with where a worker died."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum, auto

import structlog
from flask_babel import gettext as _
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from jobs.queues import enqueue
from portal.automation.areas import Area, Outcome, Preset, Scope, Step
from portal.automation.claims import begin, hand_on
from portal.automation.models import (
    IN_FLIGHT,
    ActionMessage,
    ActionResult,
    ActionRun,
    RunState,
    Schema,
    Severity,
    TaskAction,
    TaskRun,
)
from portal.automation.registry import AREAS
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.locks import Lock, alone
from portal.scope import current_tenant_id
from portal.sentences import kept, sentence

log = structlog.get_logger()

# Records are looked up in portions; each is done in a transaction of its own.
PORTION = 200
# What a run says is kept up to this many messages; the counts go on.
MOST_MESSAGES = 1_000
# How many are shown.
MOST_SHOWN = 100
# Up to so many records are counted before the work begins.
MOST_EXPECTED = 100_000


class Left(Enum):
    """Why a step was left before its last record."""

    STOPPED = auto()  # by a person
    LATE = auto()  # others have their turn


class SchemaInUse(Refused):
    """A task runs the schema."""


class NameTaken(Refused):
    """Another schema of the tenant bears this name."""

    field = "name"


def start(
    area: Area, scope: Scope, steps: Sequence[Step], started_by_id: int | None, schema: Schema | None = None
) -> ActionRun:
    """Have a worker do the steps, each with all records of the scope, one after the other."""
    run = prepare(area, scope, steps, started_by_id, schema)
    queue_anew(run)
    return run


def queue_anew(run: ActionRun) -> None:
    """Queue a run, for the first time or since its job was lost."""
    enqueue("jobs.actions.run_actions", run.tenant_id, run.id)


def prepare(
    area: Area, scope: Scope, steps: Sequence[Step], started_by_id: int | None, schema: Schema | None = None
) -> ActionRun:
    """The run of these steps, for whoever carries it out."""
    run = ActionRun(
        tenant_id=current_tenant_id(),
        area=area.name,
        scope=scope.as_json(),
        steps=[step.as_json() for step in steps],
        schema=schema,
        started_by_id=started_by_id,
    )
    db.session.add(run)
    db.session.flush()
    return run


def stop(run: ActionRun) -> None:
    """Stop after the record in hand. What is done stays done."""
    db.session.execute(
        update(ActionRun).where(ActionRun.id == run.id, ActionRun.state.in_(IN_FLIGHT)).values(stopping=True)
    )


def remove_schema(schema: Schema) -> None:
    """Remove the schema; what it did stays. Raises SchemaInUse."""
    if db.session.scalar(select(TaskAction.task_id).where(TaskAction.schema_id == schema.id).limit(1)) is not None:
        raise SchemaInUse(_("A task runs the schema “%(name)s”. Take it out there first.", name=schema.name))
    db.session.delete(schema)


def save_schema(name: str, area: Area, scope: Scope, steps: Sequence[Step], schema: Schema | None = None) -> Schema:
    """Keep the actions under a name, new or over one there is. Raises NameTaken; nothing is written then."""
    if schema is None:
        schema = Schema(tenant_id=current_tenant_id())
    try:
        with db.session.begin_nested():
            schema.name, schema.area = name, area.name
            schema.scope, schema.steps = scope.as_json(), [step.as_json() for step in steps]
            schema.changed_at = datetime.now(UTC)
            db.session.add(schema)
    except IntegrityError as error:
        raise NameTaken(_("There is a schema called “%(name)s” already.", name=name)) from error
    return schema


def fail_lost(run: ActionRun) -> None:
    """Give the run up: it was begun again and again, and its worker died each time."""
    text = sentence(
        "The actions were begun %(times)s times and their worker died or failed each time.", times=run.fruitless
    )
    _end(run, RunState.FAILED, text)


def messages_of(run: ActionRun) -> Sequence[ActionMessage]:
    """What the run has to say, errors first, MOST_SHOWN at most. A list of its own has them all (history_views.py)."""
    found: Sequence[ActionMessage] = db.session.scalars(
        select(ActionMessage)
        .where(ActionMessage.action_run_id == run.id)
        .order_by(ActionMessage.severity, ActionMessage.id)
        .limit(MOST_SHOWN)
    ).all()
    return found


def carry_out(run_id: int, seconds: float = math.inf) -> bool:
    """Do the run from where it stands to its end, or leave it to the worker that is doing it already.

    True where something is left after `seconds`: then it has to be queued anew.
    """
    with alone(Lock.ACTION_RUN, run_id) as ours:
        run = _begin(run_id) if ours else None
        return run is not None and _carry_out(run, time.monotonic() + seconds)


def _carry_out(run: ActionRun, until: float) -> bool:
    area = AREAS[run.area]
    scope, steps = Scope.of_json(run.scope), [Step.of_json(step) for step in run.steps]
    presets = [(area.preset(step.preset), step) for step in steps]
    unknown = [step.preset for preset, step in presets if preset is None]
    if unknown:
        _end(run, RunState.FAILED, sentence("There is no action “%(name)s” any more.", name=unknown[0]))
        return False
    for preset, step in presets[run.step :]:
        assert preset is not None
        left = _do_step(run, area, preset, step, scope, until)
        if left == Left.LATE:
            hand_on(run)
            return True
        if left == Left.STOPPED:
            _end(run, RunState.STOPPED)
            return False
    _end(run, RunState.DONE)
    return False


def _do_step(run: ActionRun, area: Area, preset: Preset, step: Step, scope: Scope, until: float) -> Left | None:
    """Do one step with the records behind the last one that was done, the first of them however late it is."""
    began_at = run.done
    while ids := area.ids(scope, run.last_id, PORTION):
        for id in ids:
            if run.stopping:
                return Left.STOPPED
            if run.done > began_at and time.monotonic() > until:
                return Left.LATE
            outcome, called = _done(area, preset, step, id)
            _write_down(run, preset, id, called, outcome)
    run.step, run.last_id = run.step + 1, 0
    db.session.commit()
    return None


def _done(area: Area, preset: Preset, step: Step, id: int) -> tuple[Outcome, str]:
    """What came of one record, and what it is called. Expected failures are said of it, and the next is done."""
    record = db.session.get(area.model, id)
    if record is None:  # removed meanwhile
        return Outcome(), ""
    called = area.called(record)
    try:
        return preset.run(record, step.arguments), called
    except Unavailable as problem:
        db.session.rollback()
        return Outcome(warnings=[_said(problem)]), called
    except Refused as problem:
        db.session.rollback()
        return Outcome(errors=[_said(problem)]), called


def _write_down(run: ActionRun, preset: Preset, id: int, called: str, outcome: Outcome) -> None:
    """The outcome of a record, with how far the run is, in one transaction."""
    said = [(Severity.ERROR, text) for text in outcome.errors] + [(Severity.WARNING, text) for text in outcome.warnings]
    room = MOST_MESSAGES - run.errors - run.warnings
    for severity, text in said[: max(room, 0)]:
        db.session.add(
            ActionMessage(
                tenant_id=run.tenant_id,
                action_run_id=run.id,
                severity=severity,
                preset=preset.name,
                record_id=id,
                record=called,
                text=kept(text),
            )
        )
    if outcome.made:
        made = [{"action_run_id": run.id, "kind": kind, "record_id": made_id} for kind, made_id in outcome.made]
        db.session.execute(
            insert(ActionResult).on_conflict_do_nothing(), [row | {"tenant_id": run.tenant_id} for row in made]
        )
    if run.fruitless and run.task_run_id is not None:
        db.session.execute(update(TaskRun).where(TaskRun.id == run.task_run_id).values(fruitless=0))
    run.fruitless = 0
    run.last_id = id
    run.done += 1
    run.processed += outcome.processed
    run.errors += len(outcome.errors)
    run.warnings += len(outcome.warnings)
    db.session.commit()
    db.session.refresh(run)  # somebody may have stopped it


def _begin(run_id: int) -> ActionRun | None:
    run = begin(ActionRun, run_id)
    if run is not None and not run.done:
        scope = Scope.of_json(run.scope)
        counted = AREAS[run.area].count(scope, MOST_EXPECTED)
        run.expected = (MOST_EXPECTED if counted is None else counted) * len(run.steps)
        db.session.commit()
    return run


def _end(run: ActionRun, state: RunState, problem: str | None = None) -> None:
    run.state, run.ended_at = state, datetime.now(UTC)
    run.problem = kept(problem) if problem is not None else None
    db.session.commit()
    log.info("actions_ended", state=state.value, done=run.done, processed=run.processed, errors=run.errors)


def _said(problem: Exception) -> str:
    """The error's sentence, with its source."""
    return problem.args[0] if problem.args else str(problem)
