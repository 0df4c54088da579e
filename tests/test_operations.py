"""The queues of the whole installation: shown to operators, and changed by nobody."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from rq_dashboard import web

from jobs.queues import clear, enqueue, queue
from portal.extensions import redis

QUEUE = "shown-to-operators"
TASK = "jobs.fetch.fetch_orders"  # of a run that is not there, it ends well; without one, badly
REGISTRIES = ("queued", "failed", "deferred", "started", "finished", "canceled", "scheduled")
PAGES = ["", "0/view/workers", "0/view/jobs", "0/data/queues.json", "0/data/workers.json"]
OTHER_NAMES = ["0/", "0/view", "0/view/queues"]  # of the first page, which they lead to
CHANGES = ["job/{failed}/delete", "job/{failed}/requeue", "requeue/{queue}", "queue/{queue}/failed/empty"]
CHANGES += ["queue/{queue}/compact", "queue/{queue}/queued/empty"]


class OneMoment(SimpleWorker):
    """A worker that has something seen while its job runs."""

    look = staticmethod(lambda job: None)
    seen = None

    def prepare_job_execution(self, job, remove_from_intermediate_queue=False):
        super().prepare_job_execution(job, remove_from_intermediate_queue)
        with ThreadPoolExecutor(1) as elsewhere:  # as another process: nothing of ours in its context
            self.seen = elsewhere.submit(self.look, job)
            self.seen.exception()

    def subscribe(self):
        """Nobody sends commands here."""

    unsubscribe = _install_signal_handlers = subscribe


@pytest.fixture
def ours(app):
    """The queue, empty before and after."""
    with app.app_context():
        ours = queue(QUEUE)
        ours.delete(delete_jobs=True)
        yield ours
        for registry in (ours.failed_job_registry, ours.finished_job_registry):
            for id in registry.get_job_ids():
                registry.remove(id, delete_job=True)
        ours.delete(delete_jobs=True)


@pytest.fixture
def jobs(ours):
    """A job of ours in each state but running."""
    finished, failed = ours.enqueue(TASK, 0, 0, result_ttl=60), ours.enqueue(TASK, failure_ttl=60)
    work(ours)
    queued = ours.enqueue(TASK, 0, 0)
    return {"finished": finished.id, "failed": failed.id, "queued": queued.id}


def work(ours, look=None, **options):
    worker = OneMoment([ours], connection=redis(), serializer=JSONSerializer)
    if look is not None:
        worker.look = look
    worker.work(burst=True, logging_level="CRITICAL", **options)
    worker.seen.result()  # raises what went wrong while looking
    return worker.name


@pytest.fixture
def operator(make_tenant, client_of):
    return client_of(make_tenant(role="operator"))


def shown(browser, path):
    answer = browser.get(f"/operations/{path}", follow_redirects=True)
    assert answer.status_code == 200, (path, answer.text)
    return answer


def listed(browser, registry, order="asc"):
    page = shown(browser, f"0/data/jobs/{QUEUE}/{registry}/8/{order}/1.json").json
    return [job["id"] for job in page["jobs"]]


class TestWhoMaySee:
    @pytest.mark.parametrize("path", [*PAGES, "favicon.ico", "nothing-here"])
    @pytest.mark.parametrize("role", ["clerk", "admin"])
    def test_for_others_it_is_not_there(self, make_tenant, client_of, path, role):
        assert client_of(make_tenant(role=role)).get(f"/operations/{path}").status_code == 404

    def test_who_is_not_signed_in_is_asked_to(self, app):
        for path in PAGES:
            answer = app.test_client().get(f"/operations/{path}")
            assert answer.status_code == 302 and answer.location.startswith("/sign-in?next=")
        assert app.test_client().post("/operations/requeue/fetch").status_code == 302

    def test_only_an_operator_is_shown_the_way(self, make_tenant, client_of, operator):
        assert "/operations/" in operator.get("/").text
        assert "/operations/" not in client_of(make_tenant(role="admin")).get("/").text


class TestPages:
    def test_what_stands_in_line_for_a_place_counts_as_waiting(self, operator, ours):
        for run in range(3):
            enqueue(TASK, 999_999, run, on=QUEUE)
        (listed,) = (one for one in shown(operator, "0/data/queues.json").json["queues"] if one["name"] == QUEUE)
        assert ours.count == 1 and listed["count"] == 3
        clear(QUEUE)

    def test_every_page_shows_jobs_in_every_state(self, operator, ours, jobs):
        seen = {}

        def look(job):
            running = {**jobs, "running": job.id}
            for path in PAGES + OTHER_NAMES:
                shown(operator, path)
            for registry in REGISTRIES:
                shown(operator, f"0/view/jobs/{QUEUE}/{registry}/8/asc/1")
                seen[registry] = listed(operator, registry), listed(operator, registry, "dsc")
            for state, id in running.items():
                assert id in shown(operator, f"0/view/job/{id}").text
                seen[state] = shown(operator, f"0/data/job/{id}.json").json
            seen["workers"] = shown(operator, "0/data/workers.json").json["workers"]
            seen["queues"] = shown(operator, "0/data/queues.json").json["queues"]
            seen["id"] = job.id

        running = jobs.pop("queued")
        waiting = ours.enqueue(TASK, 0, 0).id
        jobs["queued"] = waiting
        name = work(ours, look, max_jobs=1)

        assert seen["id"] == running
        (worker,) = [worker for worker in seen["workers"] if worker["name"] == name]
        assert worker["state"] == "busy" and worker["queues"] == [QUEUE]
        assert worker["current_job"]["job_id"] == running
        assert worker["current_job"]["call_string"] == f"{TASK}(0, 0)"
        assert [seen[state]["status"] for state in ("queued", "running", "failed", "finished")] == [
            "queued",
            "started",
            "failed",
            "finished",
        ]
        assert "TypeError" in seen["failed"]["exc_info"] and seen["finished"]["exc_info"] is None
        (counts,) = [one for one in seen["queues"] if one["name"] == QUEUE]
        assert (counts["count"], counts["failed_job_registry_count"], counts["finished_job_registry_count"]) == (
            1,
            1,
            1,
        )

    def test_a_state_lists_its_jobs_in_either_order(self, operator, jobs):
        for order in ("asc", "dsc"):
            for state in ("queued", "failed", "finished"):
                assert listed(operator, state, order) == [jobs[state]]
            assert listed(operator, "scheduled", order) == []

    def test_its_scripts_may_run_and_no_other_pages(self, operator):
        assert "'unsafe-eval'" in shown(operator, "").headers["Content-Security-Policy"]
        assert "unsafe" not in operator.get("/").headers["Content-Security-Policy"]

    def test_every_file_its_pages_name_is_there_and_of_this_host(self, operator, jobs):
        for path in (*PAGES[:3], f"0/view/job/{jobs['failed']}"):
            page = shown(operator, path).text
            for address in re.findall(r"""<(?:script|link rel="stylesheet")[^>]+(?:src|href)=["']([^"']+)""", page):
                assert address.startswith("/operations/"), (path, address)
                assert operator.get(address).status_code == 200, (path, address)

    def test_a_job_that_is_forgotten_is_not_found(self, operator):
        for path in ("0/view/job/nothing", "0/data/job/nothing.json", "7/view/workers", "7/data/queues.json"):
            assert operator.get(f"/operations/{path}").status_code == 404

    def test_no_password_of_redis_is_shown(self, operator, app):
        password = re.search(r"://[^:]*:([^@]+)@", str(app.config["REDIS_URL"]))
        if password:
            assert password[1] not in shown(operator, "").text


class TestNothingIsChanged:
    @pytest.mark.parametrize("path", CHANGES)
    def test_by_post(self, operator, jobs, path):
        answer = operator.post("/operations/" + path.format(queue=QUEUE, failed=jobs["failed"]))
        assert answer.status_code == 403 and "shown here, not changed" in answer.text
        self.is_as_before(operator, jobs)

    def test_by_get(self, operator, jobs):
        assert operator.get(f"/operations/requeue/{QUEUE}").status_code == 403
        self.is_as_before(operator, jobs)

    def test_by_any_other_method(self, operator, jobs):
        for rule in self.rules(operator):
            for method in ("PUT", "PATCH", "DELETE"):
                assert operator.open(rule, method=method).status_code in (403, 404, 405)
        self.is_as_before(operator, jobs)

    def test_every_rule_that_takes_a_post_is_among_these(self, app):
        taking = {
            str(rule)
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith(web.blueprint.name + ".") and "POST" in (rule.methods or set())
        }
        tried = {"/operations/" + path.split("/")[0] for path in CHANGES}
        assert {"/".join(rule.split("/")[:3]) for rule in taking} == tried

    def rules(self, operator):
        return [f"/operations/{path}" for path in (*PAGES, f"requeue/{QUEUE}", f"queue/{QUEUE}/compact")]

    def is_as_before(self, operator, jobs):
        for state in ("queued", "failed", "finished"):
            assert listed(operator, state) == [jobs[state]]
