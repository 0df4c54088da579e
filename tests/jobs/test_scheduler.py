"""The scheduler outlives the servers it asks."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisGone
from sqlalchemy.exc import OperationalError, PendingRollbackError

from jobs import scheduler


@pytest.mark.parametrize("error", [OperationalError("SELECT 1", {}, Exception()), PendingRollbackError(), RedisGone()])
def test_a_tick_that_fails_is_not_the_last(app, monkeypatch, error):
    ticks = []

    def tick():
        ticks.append(1)
        raise error

    monkeypatch.setattr(scheduler, "tick", tick)
    for _ in range(2):
        scheduler.run(app, once=True)
    assert len(ticks) == 2
