"""What the cloud has for us and when it last looked: asked at most every few seconds, and never waited for long."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime

import msgspec
from flask import Flask, current_app
from redis import RedisError

from portal.credentials.cloud import Answer, Cloud, NotACloud, problem_of
from portal.errors import Refused, Unavailable
from portal.extensions import redis
from portal.platforms.models import Platform
from portal.sentences import kept, sentence

REMEMBERED_SECONDS = 15
# A page that shows the numbers answers within a second, whatever the cloud does.
PATIENCE_SECONDS = 0.8
MOST_AT_ONCE = 8


@dataclass(frozen=True)
class Waiting:
    """What one platform's inbox holds: a number (1,000 means that or more), a problem, or neither yet.

    With the number comes how the cloud gets on at the marketplace: its last look, its next, and what failed.
    Problems are kept sentences, for readers of any language.
    """

    orders: int | None = None
    problem: str | None = None
    collected_at: datetime | None = None
    next_collect_at: datetime | None = None
    collect_problem: str | None = None

    @property
    def known(self) -> bool:
        return self.orders is not None or self.problem is not None


class _Looked(msgspec.Struct):
    """What we read of the cloud's answer about a platform."""

    waiting: int = 0
    collected_at: datetime | None = None
    next_collect_at: datetime | None = None


def waiting_in_cloud(platforms: Sequence[Platform]) -> dict[int, Waiting]:
    """By platform id. One that did not answer in time is not known; its answer is remembered when it comes."""
    answers: dict[int, Waiting] = {}
    asked = []
    for platform in platforms:
        remembered = redis().get(_name(platform))
        if remembered is not None:
            answers[platform.id] = msgspec.json.decode(remembered, type=Waiting)
        else:
            asked.append(platform)
            answers[platform.id] = Waiting()
    if asked:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        pool = ThreadPoolExecutor(MOST_AT_ONCE, "waiting")
        futures = {
            pool.submit(_ask, app, Cloud.of(platform.credential), str(platform.reference), _name(platform)): platform.id
            for platform in asked
        }
        done, _late = wait(futures, PATIENCE_SECONDS)
        answers.update({futures[future]: future.result() for future in done})
        pool.shutdown(wait=False)
    return answers


def _ask(app: Flask, cloud: Cloud, reference: str, name: str) -> Waiting:
    with app.app_context():
        try:
            answer = _read(cloud.platform(reference))
        except (Refused, Unavailable) as problem:
            answer = Waiting(problem=kept(problem))
        except RedisError as error:
            return Waiting(problem=type(error).__name__)
        redis().set(name, msgspec.json.encode(answer), ex=REMEMBERED_SECONDS)
        return answer


def _read(answer: Answer) -> Waiting:
    try:
        looked = msgspec.convert(answer, _Looked)
    except msgspec.ValidationError as error:
        raise NotACloud(sentence("The cloud's answer makes no sense: %(error)s.", error=str(error))) from error
    return Waiting(
        orders=looked.waiting,
        collected_at=looked.collected_at,
        next_collect_at=looked.next_collect_at,
        collect_problem=problem_of(answer, "collect_problem"),
    )


def _name(platform: Platform) -> str:
    return f"kontor:waiting:{platform.tenant_id}:{platform.id}"
