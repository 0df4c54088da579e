"""A worker that stops when its queue is empty and says how much memory it and its jobs took at most.

`python -m tests.benchmarks.worker`; it works as `flask worker` does, each job in a process of its own.
"""

from __future__ import annotations

import json
import resource
from pathlib import Path

from jobs import worker
from wsgi import app


def own_peak_mb() -> float:
    """The most this process had in memory. Its own rusage would count what it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    worker.run(app, burst=True)
    jobs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"parent_mb": own_peak_mb(), "job_mb": jobs}))
