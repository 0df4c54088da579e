"""What the fork server of the workers has imported, made and done before it forks the first.

A job's process puts each of its statements together anew, which is most of what a short job costs. Here a shop of
its own sells an order, and its jobs are done by this process: its children find the statements.
"""

import importlib
import os

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from jobs import worker
from jobs.queues import WORK, clear, waiting
from portal.config import sqlalchemy_url
from portal.extensions import db, redis
from tests.conftest import merchant_of
from tests.exactly_once.shop import open_shop
from tests.sandbox.client import Sandbox
from wsgi import app


def rehearse() -> None:
    """An order becomes a document, and its parcel is confirmed."""
    owner = create_engine(sqlalchemy_url(os.environ["DATABASE_OWNER_URL"]), poolclass=NullPool)
    amazon = Sandbox(os.environ["KONTOR_AMAZON_URL"])
    shop = open_shop(app, owner, amazon, merchant_of(app))
    (order_id,) = shop.place()
    for _ in range(2):
        shop.wake()
        shop.tick()
        work()
    shop.ship(order_id, "00340434161094000001")
    for _ in range(3):
        shop.wake()
        shop.tick()
        work()
    shop.check_parcel(order_id, "00340434161094000001")
    shop.collect(False)


def work() -> None:
    """Do what is queued, here."""
    with app.app_context():
        while jobs := waiting(WORK):
            clear(WORK)
            for job in jobs:
                module, _, name = job.task.rpartition(".")
                getattr(importlib.import_module(module), name)(*job.ids)
                db.session.remove()


with app.app_context():
    worker.warm_up()
rehearse()
# Nothing that talks to somebody is left to the children.
with app.app_context():
    db.engine.dispose()
    redis().connection_pool.disconnect()
app.extensions.pop("cloud_session").close()
