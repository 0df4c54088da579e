"""Alarms of automation: tasks that an error has locked, services whose workers are missing."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from portal.automation import services
from portal.automation.models import Task
from portal.extensions import db
from portal.links import path_of_page
from portal.notices.alarm import MOST_ALARMS, Alarm, Source
from portal.sentences import sentence


def _locked_tasks() -> Sequence[Alarm]:
    locked = select(Task).where(Task.locked_at.is_not(None)).order_by(Task.locked_at.desc(), Task.id).limit(MOST_ALARMS)
    return [
        Alarm(
            LOCKED_TASKS.kind,
            str(task.id),
            task.locked_at,
            sentence("The task “%(name)s” is locked.", name=task.name),
            path_of_page("tasks.show", id=task.id),
            task.lock_reason or "",
        )
        for task in db.session.scalars(locked)
    ]


def _missing_services() -> Sequence[Alarm]:
    return [
        Alarm(
            MISSING_SERVICES.kind,
            str(service.id),
            services.unseen_since(service),
            sentence("The service “%(name)s” is not seen: none of its workers tells of itself.", name=service.name),
            path_of_page("services.show", id=service.id),
        )
        for service in services.missing()[:MOST_ALARMS]
    ]


LOCKED_TASKS = Source("locked_task", _l("Locked tasks"), "locked_tasks", _locked_tasks)
MISSING_SERVICES = Source("missing_service", _l("Services not seen"), "missing_services", _missing_services)
