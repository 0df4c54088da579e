"""Runs: one in flight a platform, and nobody waits for a frozen worker."""

from __future__ import annotations

from sqlalchemy import func, select, text

from portal.automation import runs
from portal.automation.models import Run, RunState
from portal.extensions import db
from portal.platforms.models import Platform
from portal.scope import SET_SCOPE, scope_parameters
from tests.shipments.builders import a_platform


def test_a_second_request_asks_the_run_in_flight_to_look_again(make_tenant, as_tenant):
    merchant = make_tenant()
    with as_tenant(merchant):
        platform = a_platform(merchant)
        first = runs.start_fetch(platform, "person")
        db.session.commit()
        second = runs.start_fetch(platform, "event")
        db.session.commit()
        assert first.id == second.id
        assert db.session.get_one(Run, first.id).again
        assert db.session.scalar(select(func.count()).select_from(Run)) == 1


def test_a_worker_frozen_while_it_writes_stops_nobody_who_asks(make_tenant, as_tenant):
    merchant = make_tenant()
    with as_tenant(merchant):
        platform: Platform = a_platform(merchant)
        run = runs.start_fetch(platform, "person")
        run.state = RunState.RUNNING
        db.session.commit()
        with db.engine.connect() as frozen:
            frozen.exec_driver_sql(SET_SCOPE, scope_parameters())
            frozen.execute(text("UPDATE run SET orders = orders + 1 WHERE id = :id"), {"id": run.id})
            assert runs.start_fetch(platform, "event").id == run.id
            db.session.commit()
            frozen.rollback()
        assert not db.session.get_one(Run, run.id, populate_existing=True).again
        # Once it is thawed, the next request is heard.
        assert runs.start_fetch(platform, "event").again
        db.session.commit()
