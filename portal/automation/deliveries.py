"""Telling of a run, as one of its actions: by e-mail or by calling a webhook. What fails is a warning, never a lock.

The delivery is written down before it is tried, and how it ended after; a worker killed in between leaves one
that is tried again under the same key, so that the receiver can tell that it is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import structlog
from flask_babel import force_locale
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from portal import mail, signing, webhooks
from portal.automation.models import ActionKind, Delivery, RunState, TaskAction, TaskRun
from portal.automation.reports import Report, as_json, as_text, report_on, subject_of
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.secrets import unseal
from portal.sentences import kept, sentence
from portal.tenants.models import Tenant

log = structlog.get_logger()

# Seconds between the attempts. The worker waits for it: a task's next action may depend on how this one ended.
PAUSES = (2.0, 10.0)

# Tells of the report under this key; returns what there is to say of it all the same, None where all is well.
Send = Callable[[Report, str], str | None]


def by_mail(run: TaskRun, settings: Mapping[str, Any]) -> Delivery:
    """Send a status e-mail to the recipients, in the tenant's language and by its clock."""
    zone = ZoneInfo(db.session.get_one(Tenant, run.tenant_id).time_zone)

    def send(report: Report, key: str) -> str | None:
        refused = mail.send(settings["recipients"], subject_of(report), as_text(report, zone), mail.message_id(key))
        if not refused:
            return None
        return sentence("The mail server does not take these addresses: %(addresses)s.", addresses=", ".join(refused))

    return _deliver(run, send)


def by_webhook(run: TaskRun, settings: Mapping[str, Any]) -> Delivery:
    """Call the address with the report as JSON, signed with the action's secret."""

    def send(report: Report, key: str) -> str | None:
        secret = _secret(run, settings["url"])
        db.session.commit()
        body = msgspec.json.encode(as_json(report, key))
        signed = signing.signature(secret, body, int(time.time()))
        webhooks.call(settings["url"], body, {signing.HEADER: signed, "Idempotency-Key": key})
        return None

    return _deliver(run, send)


def _deliver(run: TaskRun, send: Send) -> Delivery:
    """Do the delivery in hand, unless it has ended already. Commits before each attempt and after the last."""
    delivery = _begun(run)
    if delivery.state != RunState.RUNNING:
        return delivery
    with force_locale(db.session.get_one(Tenant, run.tenant_id).language):
        report = report_on(run)
        for pause in (*PAUSES, None):
            delivery.attempts += 1
            key = delivery.key
            db.session.commit()  # no transaction stays open while somebody else's server takes its time
            try:
                problem = send(report, key)
            except Unavailable as unavailable:
                if pause is not None:
                    time.sleep(pause)
                    continue
                _end(delivery, RunState.FAILED, kept(unavailable))
            except Refused as refused:
                _end(delivery, RunState.FAILED, kept(refused))
            else:
                _end(delivery, RunState.DONE, kept(problem) if problem is not None else None)
            break
    return delivery


def _begun(run: TaskRun) -> Delivery:
    """The delivery of the action in hand: the one that a worker before us began, or a new one. Commits."""
    db.session.execute(
        insert(Delivery)
        .values(tenant_id=run.tenant_id, task_run_id=run.id, position=run.position)
        .on_conflict_do_nothing()
    )
    of_action = select(Delivery).where(Delivery.task_run_id == run.id, Delivery.position == run.position)
    delivery: Delivery = db.session.scalars(of_action).one()
    db.session.commit()
    return delivery


def _end(delivery: Delivery, state: RunState, problem: str | None) -> None:
    delivery.state, delivery.problem, delivery.ended_at = state, problem, datetime.now(UTC)
    db.session.commit()
    log.info("report_delivered", key=delivery.key, state=state.value, attempts=delivery.attempts)


def _secret(run: TaskRun, url: str) -> str:
    """What the task's webhook at this address signs with, by the action as it is now: secrets stand in no plan.

    Raises Refused where there is none any more.
    """
    webhook = select(TaskAction).where(TaskAction.task_id == run.task_id, TaskAction.kind == ActionKind.WEBHOOK)
    in_its_place_first = webhook.order_by(TaskAction.position != run.position, TaskAction.position)
    for action in db.session.scalars(in_its_place_first):
        if action.settings.get("url") == url and action.secret is not None:
            return unseal(action.secret, action.secret_place)
    raise Refused(sentence("The webhook was changed while the task was running, so it was not called."))
