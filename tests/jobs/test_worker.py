from __future__ import annotations

import os

import pytest
from redis.exceptions import ConnectionError as RedisGone
from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError

from jobs import worker
from jobs.queues import workers
from portal.extensions import db, redis


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("SELECT 1", {}, Exception("the server closed the connection")),
        InterfaceError("SELECT 1", {}, Exception("the connection is closed")),
        PendingRollbackError(),
        RedisGone(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_worker_starts_though_a_server_dies_while_it_rehearses(app, error):
    def task(platform_id: int) -> None:
        assert platform_id == 0
        db.session.execute(db.text("SELECT 1"))
        raise error

    with app.app_context():
        worker._rehearse(task)
        assert not db.session.registry.has()


def test_a_worker_that_redis_forgot_tells_of_itself_again(app):
    """As after a laptop's sleep, or minutes without Redis: what RQ tells then is only that it is there."""

    def seen():
        return [one.pid for one in workers(["forgotten"]).get("forgotten", ())]

    with app.app_context():
        one = worker._worker(app, "forgotten")
        one.register_birth()
        try:
            assert seen() == [os.getpid()]
            redis().delete(one.key)
            assert not seen()
            one.heartbeat()
            assert seen() == [os.getpid()]
        finally:
            one.register_death()
