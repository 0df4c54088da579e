"""Turns at a queue: nobody's thousands of jobs delay another's by more than one of them a worker.

Whoever jobs belong to, a tenant or an account of the cloud, has at most one place in RQ's queue. His other jobs
wait in a line of his own, and as a worker takes the job from his place, the first in his line gets a place at
the queue's end. What is lost between two steps, with a worker or with Redis, frees itself after PLACE_SECONDS,
unless the scheduler sees it waiting; it then moves up what stands in line, and finds in PostgreSQL what stood
nowhere any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis

PLACE_SECONDS = 60

LINE = "kontor:line:"  # queue:owner -> his jobs that have no place yet, scored by rank and arrival
PLACE = "kontor:place:"  # queue:owner -> he has a job in RQ's queue
MARK = "kontor:queued:"  # job -> it is in RQ's queue
LINES = "kontor:lines"  # queue:owner of every line that is not empty
ARRIVALS = "kontor:arrivals"
RQ_QUEUE, RQ_JOB = "rq:queue:", "rq:job:"

# A rank counts more than any arrival; both together stay far below what a double holds exactly.
RANK = 10**13

# A job that is queued or stands in line already is not put there twice.
_JOIN = """
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[2], ARGV[2] * ARGV[3] + redis.call('INCR', KEYS[4]), ARGV[1])
redis.call('SADD', KEYS[3], ARGV[4])
return 1
"""
_MOVE_UP = """
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then return false end
local first = redis.call('ZPOPMIN', KEYS[2])[1]
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[3], ARGV[2]) end
if not first then redis.call('DEL', KEYS[1]); return false end
redis.call('SET', ARGV[3] .. first, 1, 'EX', ARGV[1])
return first
"""
# The jobs of RQ's queue tell by their description whose and which they are.
_KEEP = """
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local owner, job = string.match(redis.call('HGET', ARGV[1] .. id, 'description') or '', '^(%S+) (%S+)$')
  if owner then
    redis.call('SET', ARGV[2] .. job, 1, 'EX', ARGV[5])
    redis.call('SET', ARGV[3] .. ARGV[4] .. ':' .. owner, 1, 'EX', ARGV[5])
  end
end
"""


def described(owner: str, job: str) -> str:
    """How the job has to be described to RQ."""
    return f"{owner} {job}"


def keep(redis: Redis, queues: Sequence[str]) -> None:
    """What waits in RQ's queues goes on having its place there, however long it takes."""
    with redis.pipeline(transaction=False) as pipeline:
        for queue in queues:
            pipeline.eval(_KEEP, 1, RQ_QUEUE + queue, RQ_JOB, MARK, PLACE, queue, PLACE_SECONDS)
        pipeline.execute()


def join(redis: Redis, queue: str, owner: str, job: str, rank: int) -> bool:
    """Stand in line; a lower rank goes first, of one rank who came first. False where the job waits already."""
    line = f"{queue}:{owner}"
    keys = [MARK + job, LINE + line, LINES, ARRIVALS]
    return bool(redis.eval(_JOIN, len(keys), *keys, job, rank, RANK, line))


def move_up(redis: Redis, queue: str, owner: str) -> str | None:
    """The owner's next job, which has to be put into RQ's queue now. None: he has a place, or nothing in line."""
    line = f"{queue}:{owner}"
    keys = [PLACE + line, LINE + line, LINES]
    job = redis.eval(_MOVE_UP, len(keys), *keys, PLACE_SECONDS, line, MARK)
    return None if job is None else _text(job)


def jump(redis: Redis, queue: str, owner: str, job: str) -> None:
    """The job goes to the very beginning of RQ's queue, past its owner's place."""
    redis.zrem(LINE + f"{queue}:{owner}", job)
    redis.set(MARK + job, 1, ex=PLACE_SECONDS)


def leave(redis: Redis, queue: str, owner: str, job: str) -> None:
    """A worker has taken the job: the same may be queued again, and its owner's place is free."""
    redis.delete(MARK + job, PLACE + f"{queue}:{owner}")


def are_waiting(redis: Redis, jobs: Sequence[tuple[str, str, str]]) -> list[bool]:
    """Of each queue, owner and job: whether it is in RQ's queue or stands in line."""
    with redis.pipeline(transaction=False) as pipeline:
        for queue, owner, job in jobs:
            pipeline.exists(MARK + job)
            pipeline.zscore(LINE + f"{queue}:{owner}", job)
        answers = pipeline.execute()
    return [bool(placed) or score is not None for placed, score in zip(answers[::2], answers[1::2], strict=True)]


def lines(redis: Redis) -> list[tuple[str, str]]:
    """The queues and owners of all lines that are not empty."""
    found = (_text(line).rpartition(":") for line in redis.smembers(LINES))
    return [(queue, owner) for queue, _colon, owner in found]


def without_place(redis: Redis) -> list[tuple[str, str]]:
    """The queues and owners of lines that nothing moves up, since their owner's last job was lost."""
    found = lines(redis)
    with redis.pipeline(transaction=False) as pipeline:
        for queue, owner in found:
            pipeline.exists(PLACE + f"{queue}:{owner}")
        placed = pipeline.execute()
    return [line for line, has_place in zip(found, placed, strict=True) if not has_place]


def in_line(redis: Redis, queue: str, owner: str) -> list[str]:
    """The jobs of an owner's line, in order."""
    found: Any = redis.zrange(LINE + f"{queue}:{owner}", 0, -1)
    return [_text(job) for job in found]


def clear(redis: Redis, queue: str) -> None:
    """Forget all lines of a queue."""
    for line, owner in lines(redis):
        if line == queue:
            redis.delete(LINE + f"{line}:{owner}")
            redis.srem(LINES, f"{line}:{owner}")


def _text(found: bytes | str) -> str:
    return found.decode() if isinstance(found, bytes) else found
