"""How far platforms are set up, by few statements, and the tasks that run them from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from portal.automation import actions, tasks
from portal.automation.areas import Scope, ScopeKind
from portal.automation.areas import Step as Action
from portal.automation.models import Condition, Run, Schema, Task, TaskAction
from portal.automation.tasks import Planned
from portal.automation.triggers import Trigger, TriggerKind
from portal.credentials.models import Credential
from portal.extensions import db
from portal.platforms.actions import PLATFORMS
from portal.platforms.models import Connection, Platform
from portal.platforms.service import awaits_consent
from portal.setup.quiet import Quiet, quiet_of
from portal.setup.steps import FETCH, UPLOAD, Facts, Step, StepState, covers, furthest, steps_of

# Tells the steps on a page (setup/_steps.html) to look again, and with them what they bring along.
SETUP_CHANGED = {"HX-Trigger": "setup-changed"}

PRESETS = (FETCH, UPLOAD)
# Seldom enough to be no burden, often enough for a parcel that is picked up today.
PAUSE = timedelta(minutes=15)
# The scheduler begins the first fetch within seconds of the connection. Pages look for it so long.
BEGINS_WITHIN = timedelta(minutes=5)
LONGEST_NAME = 60  # of a task or schema, as their forms have it
# An action that runs only when something went wrong is no automatic fetch or upload.
USUAL = (Condition.ALWAYS, Condition.RAN, Condition.PROCESSED)


@dataclass(frozen=True)
class Guide:
    """The steps of a platform, or of a tenant without any, with what is said of a fetch that found nothing."""

    steps: Sequence[Step]
    platform: Platform | None = None
    run: Run | None = None  # the latest fetch
    quiet: Quiet | None = None
    is_pending: bool = False  # something will soon be otherwise by itself

    @property
    def done(self) -> int:
        return sum(step.state == StepState.DONE for step in self.steps)

    @property
    def is_done(self) -> bool:
        return self.done == len(self.steps)


def platform_of(id: int) -> Platform:
    """The platform with what its steps are read from; not found where there is none."""
    loaded = [joinedload(Platform.credential), joinedload(Platform.address_status)]
    platform: Platform = db.get_or_404(Platform, id, options=loaded)
    return platform


def guide_of(platform: Platform) -> Guide:
    """How far a platform is."""
    return _guide(platform, _tasks_by_platform([platform])[platform.id])


def guide_of_tenant(platforms: Sequence[Platform]) -> tuple[Guide | None, list[Platform]]:
    """How far the first platform is that is not set up, and the others that are not. None where all are.

    `platforms` are all of the tenant's; those switched off do not count. The number of statements does not
    depend on how many there are.
    """
    if not platforms:
        return Guide(steps_of(Facts(_best_credential()))), []
    shown = [platform for platform in platforms if platform.active]
    found = _tasks_by_platform(shown)
    unfinished = [platform for platform in shown if not _is_done(platform, found[platform.id])]
    if not unfinished:
        return None, []
    first, *others = unfinished
    return _guide(first, found[first.id]), others


def automate(platform: Platform, preset: str) -> tuple[Task, bool]:
    """The task that does this for the platform, and whether it was just made. Of two at once, one makes it.

    A task that is off or locked is somebody's decision, and left as it is.
    """
    # Whoever comes second waits here for the first one's commit, and finds the task.
    db.session.execute(select(Platform.id).where(Platform.id == platform.id).with_for_update(key_share=True))
    present = _tasks_by_platform([platform])[platform.id].get(preset)
    if present is not None:
        return present, False
    schema = _schema(platform, preset)
    task = Task()
    taken = set(db.session.scalars(select(Task.name)))
    name = _free_name(_name(platform, preset), taken)
    tasks.save(task, name, True, Trigger(TriggerKind.CONTINUOUS, pause=PAUSE), [Planned(schema.id)])
    return task, True


def _guide(platform: Platform, found: dict[str, Task]) -> Guide:
    run = db.session.scalar(select(Run).where(Run.platform_id == platform.id).order_by(Run.id.desc()).limit(1))
    steps = steps_of(Facts(platform.credential, platform, found, run, awaits_consent(platform)))
    under_way = any(step.state == StepState.UNDER_WAY for step in steps)
    return Guide(steps, platform, run, quiet_of(platform, run), under_way or _begins_soon(platform))


def _begins_soon(platform: Platform) -> bool:
    since = platform.authorized_at
    waits = platform.connection == Connection.AUTHENTICATED and platform.last_fetch_at is None
    return waits and since is not None and datetime.now(UTC) - since < BEGINS_WITHIN


def _is_done(platform: Platform, found: dict[str, Task]) -> bool:
    steps = steps_of(Facts(platform.credential, platform, found))
    return all(step.state == StepState.DONE for step in steps)


def _best_credential() -> Credential | None:
    """The credential that a tenant without platforms goes on with: one that was tested, if there is any."""
    untested = Credential.tested_at.is_(None) | Credential.test_problem.is_not(None)
    found: Credential | None = db.session.scalar(select(Credential).order_by(untested, Credential.id).limit(1))
    return found


def _tasks_by_platform(platforms: Sequence[Platform]) -> dict[int, dict[str, Task]]:
    """Of each platform, by preset, the task that does it by itself and is furthest. One statement."""
    rows = db.session.execute(
        select(Task, Schema.scope, Schema.steps)
        .options(joinedload(Task.service))
        .join(TaskAction, TaskAction.task_id == Task.id)
        .join(Schema, Schema.id == TaskAction.schema_id)
        .where(
            Schema.area == PLATFORMS.name,
            or_(*(Schema.steps.contains([{"preset": preset}]) for preset in PRESETS)),
            Task.kind != TriggerKind.MANUAL,
            TaskAction.condition.in_(USUAL),
        )
    ).all()
    doing = [(task, Scope.of_json(scope), {step["preset"] for step in steps}) for task, scope, steps in rows]
    found: dict[int, dict[str, Task]] = {}
    for platform in platforms:
        of_platform = [(task, presets) for task, scope, presets in doing if covers(scope, platform)]
        best = {preset: furthest([task for task, presets in of_platform if preset in presets]) for preset in PRESETS}
        found[platform.id] = {preset: task for preset, task in best.items() if task is not None}
    return found


def _schema(platform: Platform, preset: str) -> Schema:
    """The schema of just this: the one there is, as of a task that was removed, or a new one."""
    scope, steps = Scope(ScopeKind.SELECTION, (platform.id,)), [Action(preset)]
    same = (Schema.scope == scope.as_json(), Schema.steps == [step.as_json() for step in steps])
    present: Schema | None = db.session.scalar(
        select(Schema).where(Schema.area == PLATFORMS.name, *same).order_by(Schema.id).limit(1)
    )
    if present is not None:
        return present
    taken = set(db.session.scalars(select(Schema.name)))
    return actions.save_schema(_free_name(_name(platform, preset), taken), PLATFORMS, scope, steps)


def _name(platform: Platform, preset: str) -> str:
    return {
        FETCH: _("Fetch orders: %(platform)s", platform=platform.name),
        UPLOAD: _("Upload statuses: %(platform)s", platform=platform.name),
    }[preset]


def _free_name(wanted: str, taken: set[str]) -> str:
    """This name, or with a number behind it; never longer than its form allows."""
    lowered = {name.lower() for name in taken}
    endings = ("", *(f" ({number})" for number in range(2, len(taken) + 3)))
    names = (wanted[: LONGEST_NAME - len(ending)] + ending for ending in endings)
    return next(name for name in names if name.lower() not in lowered)
