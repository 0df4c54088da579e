from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisGone
from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError

from jobs import worker
from portal.extensions import db


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
