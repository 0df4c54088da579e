"""What a tick of the scheduler costs with 10,000 active tasks of 1,000 tenants, and how late tasks start.

All tasks run continuously with a pause of a quarter of an hour, so some eleven are due each second. tick_ms is the
median of ticks with that many due. growth compares ticks with as many due, and idle ones, with those of 100 tasks. The
drift is what a real scheduler process makes of a minute: from the moment a task is due until its run is queued. The
burst has all tasks due at the same moment, as if everybody had chosen eight o'clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from jobs import scheduler
from portal.extensions import redis
from tests.benchmarks.installation import FLASK, Installation, say, size

FEW_TASKS = 100
FULL_TASKS = 10_000
TASKS_A_TENANT = 10
PAUSE_MINUTES = 15
FULL_SAMPLES = 60
FULL_SECONDS = 60
WARM_UPS = 3
GROWTH = 2.0
# A scheduler that starts needs some seconds until its first tick: nothing is due before.
LEAD_SECONDS = 15
LATE_SECONDS = 180.0

TENANTS = """
INSERT INTO tenant (name, customer_number, time_zone)
SELECT 'Bench ' || i, 'bench-' || i, ('{Europe/Berlin,UTC,America/New_York,Asia/Kolkata}'::text[])[1 + i %% 4]
FROM generate_series(%(first)s::int, %(last)s::int) AS i RETURNING id"""
SCHEMAS = """
INSERT INTO action_schema (tenant_id, name, area, scope, steps)
SELECT id, 'Fetch', 'platforms', '{"kind": "all", "ids": [], "first": "", "last": "", "platform": null}',
'[{"preset": "download", "arguments": {}}]' FROM unnest(%(tenants)s::int[]) AS id"""
SERVICES = """
INSERT INTO service (tenant_id, name) SELECT id, 'Automation' FROM unnest(%(tenants)s::int[]) AS id"""
TASKS = """
INSERT INTO task (tenant_id, service_id, name, kind, times, weekdays, month_day, pause_minutes)
SELECT tenant_id, id, 'Task ' || i, 'continuous', '{}', '{}', '1', %(pause)s
FROM service CROSS JOIN generate_series(1, %(each)s) AS i WHERE tenant_id = ANY(%(tenants)s)"""
ACTIONS = """
INSERT INTO task_action (task_id, position, tenant_id, schema_id)
SELECT task.id, position, task.tenant_id, action_schema.id FROM task
JOIN action_schema USING (tenant_id) CROSS JOIN generate_series(0, 1) AS position
WHERE task.tenant_id = ANY(%(tenants)s)"""
# What workers would have done meanwhile: each run has ended, and its task waits for its pause.
SETTLE = """
WITH ended AS (
    UPDATE task_run SET state = 'done', started_at = now(), ended_at = now() WHERE state IN ('queued', 'running')
) UPDATE task SET next_at = now() + interval '1 day' * (1 + random())
WHERE next_at IS NULL OR next_at < now() + interval '12 hours'"""
# Of as many tenants as can be, with few tasks as with many: they are started by the tenant.
MAKE_DUE = """
UPDATE task SET next_at = now() WHERE id IN (
    SELECT id FROM task ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY random()), random() LIMIT %(due)s
)"""


@dataclass(frozen=True)
class Ticks:
    """Milliseconds of ticks with nothing due, and of ticks with as many due as a second has."""

    idle: list[float]
    due: list[float]


def run() -> None:
    """Measure."""
    count, samples, seconds = size("TASKS", FULL_TASKS), size("SAMPLES", FULL_SAMPLES), size("SECONDS", FULL_SECONDS)
    due = max(1, round(count / PAUSE_MINUTES / 60))
    with Installation.run() as installation, installation.connect() as database:
        fill(database, FEW_TASKS)
        few = measure(installation, database, samples, due)
        fill(database, count - FEW_TASKS)
        many = measure(installation, database, samples, due)
        growth = {"due": _growth(many.due, few.due), "idle": _growth(many.idle, few.idle)}
        say(
            "schedule",
            tasks=count,
            tenants=count // TASKS_A_TENANT,
            due_a_tick=due,
            tick_ms=round(statistics.median(many.due), 1),
            tick_worst_ms=round(max(many.due), 1),
            idle_tick_ms=round(statistics.median(many.idle), 1),
            idle_tick_worst_ms=round(max(many.idle), 1),
            reference=f"a tick each {scheduler.TICK_SECONDS:g} s",
            tick_ms_at_100=round(statistics.median(few.due), 1),
            idle_tick_ms_at_100=round(statistics.median(few.idle), 1),
            growth=max(growth.values()),
            growth_reference=GROWTH,
            growth_of=growth,
        )
        late = drift(installation, database, seconds)
        say(
            "schedule",
            starts=len(late),
            seconds=seconds,
            drift_p99_s=round(statistics.quantiles(late, n=100, method="inclusive")[98], 2),
            drift_median_s=round(statistics.median(late), 2),
            drift_worst_s=round(max(late), 2),
            reference=f"{scheduler.TICK_SECONDS:g} s: what is due waits for the next tick",
        )
        late = burst(installation, database)
        say("schedule", due_at_once=len(late), all_started_s=round(max(late), 2), half_started_s=_median(late))


def fill(database: psycopg.Connection[Any], tasks: int) -> None:
    """So many active tasks more, of tenants of their own. None is due."""
    row = database.execute("SELECT count(*) FROM tenant").fetchone()
    first = (row[0] if row else 0) + 1
    values: dict[str, Any] = {"first": first, "last": first + tasks // TASKS_A_TENANT - 1}
    values["tenants"] = [row[0] for row in database.execute(TENANTS.encode(), values)]
    values |= {"each": TASKS_A_TENANT, "pause": PAUSE_MINUTES}
    for statement in (SCHEMAS, SERVICES, TASKS, ACTIONS):
        database.execute(statement.encode(), values)
    database.execute(SETTLE)
    database.execute("VACUUM ANALYZE")


def measure(installation: Installation, database: psycopg.Connection[Any], samples: int, due: int) -> Ticks:
    """Ticks with nothing due and with so many, in turn."""
    ticks = Ticks([], [])
    for turn in range(samples + WARM_UPS):
        idle = _milliseconds(installation)
        database.execute(MAKE_DUE, {"due": due})
        busy = _milliseconds(installation)
        row = database.execute("SELECT count(*) FROM task_run WHERE state = 'queued'").fetchone()
        if row is None or row[0] != due:
            raise RuntimeError(f"{row[0] if row else 0} runs were started, {due} were due.")
        settle(installation, database)
        if turn >= WARM_UPS:
            ticks.idle.append(idle)
            ticks.due.append(busy)
    return ticks


def settle(installation: Installation, database: psycopg.Connection[Any]) -> None:
    """All that was queued is done, and nothing is due."""
    database.execute(SETTLE)
    with installation.app.app_context():
        for pattern in ("rq:*", "kontor:line*", "kontor:place:*", "kontor:queued:*"):
            for key in redis().scan_iter(pattern, count=1000):
                redis().delete(key)


def drift(installation: Installation, database: psycopg.Connection[Any], seconds: int) -> list[float]:
    """How late each run was queued, in seconds, while a scheduler looks after what is due by and by."""
    spread = "UPDATE task SET next_at = now() + %s * interval '1 second' + random() * %s * interval '1 minute'"
    return _started(installation, database, spread, (LEAD_SECONDS, PAUSE_MINUTES), LEAD_SECONDS + seconds)


def burst(installation: Installation, database: psycopg.Connection[Any]) -> list[float]:
    """As drift, with all tasks due at once."""
    at_once = "UPDATE task SET next_at = now() + %s * interval '1 second'"
    return _started(installation, database, at_once, (LEAD_SECONDS,), LEAD_SECONDS + 1)


def _started(
    installation: Installation, database: psycopg.Connection[Any], plan: str, values: Sequence[Any], seconds: int
) -> list[float]:
    """Plan the tasks, let a scheduler process start those due within so many seconds; how late each was queued."""
    settle(installation, database)
    last = database.execute("SELECT coalesce(max(id), 0) FROM task_run").fetchone()
    database.execute(plan.encode(), values)
    ends = time.monotonic() + seconds
    wanted: dict[int, datetime] = dict(
        database.execute(
            "SELECT id, next_at FROM task WHERE next_at < now() + %s * interval '1 second'", (seconds,)
        ).fetchall()
    )
    query = "SELECT task_id, queued_at FROM task_run WHERE id > %s AND task_id = ANY(%s)"

    def queued() -> dict[int, datetime]:
        return dict(database.execute(query, (last[0] if last else 0, list(wanted))).fetchall())

    with installation.process("scheduler", (*FLASK, "scheduler")):
        time.sleep(seconds)
        _wait(lambda: len(queued()) == len(wanted), ends + LATE_SECONDS)
    return [(at - wanted[id]).total_seconds() for id, at in queued().items()]


def _wait(done: Callable[[], bool], until: float) -> None:
    while not done():
        if time.monotonic() > until:
            raise RuntimeError(f"Not everything that was due is started {LATE_SECONDS:.0f} s later.")
        time.sleep(0.2)


def _milliseconds(installation: Installation) -> float:
    with installation.app.app_context():
        began = time.perf_counter()
        scheduler.tick()
        return (time.perf_counter() - began) * 1000


def _growth(many: Sequence[float], few: Sequence[float]) -> float:
    return round(statistics.median(many) / statistics.median(few), 2)


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 2)
