"""Jobs: every fetch, how far it is, and what it wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.automation import listing
from portal.automation.models import Run, RunState
from portal.extensions import db
from tests.desk import Desk
from tests.documents.builders import an_order

NOW = datetime.now(UTC)


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def platform(desk):
    return desk.platform()


def a_run(desk, platform, state=RunState.DONE, **values):
    with desk.inside():
        run = Run(
            tenant_id=platform.tenant_id, platform_id=platform.id, **{"cause": "schedule", "state": state, **values}
        )
        db.session.add(run)
        db.session.commit()
        db.session.refresh(run)
        return run


class TestList:
    def test_the_newest_comes_first_with_what_came_of_it(self, desk, platform):
        done = a_run(desk, platform, orders=1234, created=1200, changed=30, held=4, attempt=2, ended_at=NOW)
        failed = a_run(desk, platform, RunState.FAILED, cause="event", problem="The cloud is away.")
        rows = desk.open("/jobs/").rows
        assert [row[0] for row in rows] == [str(failed.id), str(done.id)]
        assert rows[0][2:4] == ["Event of the cloud", "Failed The cloud is away."]
        assert rows[1][1:4] == ["Amazon", "Schedule", "Done"]
        assert rows[1][5:] == ["1,234", "1,200", "30", "4", "2"]

    def test_filters(self, desk, platform):
        other = desk.platform("Amazon Polska", "amazon-2")
        first, second = a_run(desk, platform), a_run(desk, other, RunState.FAILED)

        def shown(**query):
            return [row[0] for row in desk.open("/jobs/", htmx=True, **query).rows]

        assert shown(state="failed") == [str(second.id)] == shown(platform=str(other.id))
        assert shown(state="done", platform=str(other.id)) == []
        assert shown(state="nonsense", platform="2147483647") == [str(second.id), str(first.id)]
        page = desk.open("/jobs/", state="failed", platform=str(other.id))
        assert {"state": "failed", "platform": str(other.id)}.items() <= page.fields.items()
        assert [chip.words for chip in page.all("a", class_="chip")][:2] == ["State: Failed", "Platform: Amazon Polska"]

    def test_it_looks_again_while_something_moves(self, desk, platform):
        assert "hx-get" not in desk.open("/jobs/").one("div", id="list").attributes
        a_run(desk, platform, RunState.RUNNING)
        moving = desk.open("/jobs/", state="running").one("div", id="list")
        assert moving.attributes["hx-get"] == "/jobs/?state=running"

    def test_more_than_a_page_is_walked_by_its_links(self, desk, platform):
        for _ in range(52):
            a_run(desk, platform)
        first = desk.open("/jobs/")
        second = desk.open(first.one("a", rel="next").attributes["href"], htmx=True)
        ids = [int(row[0]) for row in first.rows + second.rows]
        assert ids == sorted(set(ids), reverse=True) and len(ids) == 52

    def test_an_empty_list_says_so(self, desk):
        assert "No fetch yet" in desk.open("/jobs/").words


class TestOne:
    def test_it_names_worker_attempt_and_the_pages_it_wrote(self, desk, platform):
        run = a_run(desk, platform, RunState.RUNNING, worker="host:4242", attempt=3, started_at=NOW)
        origin = {"run_id": run.id, "attempt": 3, "worker": "host:4242"}
        for number in (1, 2):
            desk.take(an_order(f"028-{number}"), request_id=f"request-{number}", **origin)
        page = desk.open(f"/jobs/{run.id}")
        assert page.one("h1").words == f"Fetch {run.id}"
        assert (page.grid["Worker"], page.grid["Attempt"], page.grid["Platform"]) == ("host:4242", "3", "Amazon")
        assert [row[2:] for row in page.rows] == [
            ["1", "request-2", "host:4242", "3"],
            ["1", "request-1", "host:4242", "3"],
        ]
        assert "2 orders: 2 new, 0 changed, 0 held, 0 known already" in page.words

    def test_of_very_many_pages_the_last_are_shown(self, desk, platform, monkeypatch):
        run = a_run(desk, platform, RunState.RUNNING, attempt=1)
        for number in range(3):
            desk.take(an_order(f"028-{number}"), run_id=run.id, attempt=1)
        monkeypatch.setattr(listing, "MOST_PAGES", 2)
        page = desk.open(f"/jobs/{run.id}")
        assert len(page.rows) == 2 and "The last 2 pages" in page.words

    def test_one_that_found_nothing_says_so(self, desk, platform):
        assert "It wrote no page" in desk.open(f"/jobs/{a_run(desk, platform).id}").words

    def test_its_progress_is_looked_at_until_it_ends(self, desk, platform):
        run = a_run(desk, platform, RunState.RUNNING, expected=300, orders=100, started_at=NOW - timedelta(seconds=30))
        part = desk.open(f"/jobs/{run.id}/progress", htmx=True).one("div", id="run")
        assert part.attributes["hx-get"] == f"/jobs/{run.id}/progress"
        bar = part.one("progress").attributes
        assert (bar["max"], bar["value"]) == ("300", "100")
        assert "about 300 waiting at the start" in part.words
        with desk.inside():
            ended = db.session.get_one(Run, run.id)
            ended.state, ended.ended_at = RunState.DONE, NOW
            db.session.commit()
        part = desk.open(f"/jobs/{run.id}/progress", htmx=True).one("div", id="run")
        assert "hx-get" not in part.attributes and not part.all("progress")
        assert part.attributes["data-announce"] == "100 orders fetched"

    @pytest.mark.parametrize(("state", "told"), [(RunState.RUNNING, False), (RunState.DONE, True)])
    def test_its_own_page_learns_the_rest_with_the_end(self, desk, platform, state, told):
        run = a_run(desk, platform, state, orders=3, started_at=NOW, ended_at=NOW if told else None)
        for page, learns in ((f"/jobs/{run.id}", told), (f"/platforms/{platform.id}", False)):
            headers = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{page}"}
            answer = desk.browser.get(f"/jobs/{run.id}/progress", headers=headers)
            assert ('id="facts" hx-swap-oob' in answer.text) == learns, page
            set_up_looks_again = answer.headers.get("HX-Trigger") == "setup-changed"
            assert set_up_looks_again == (told and not learns), page

    def test_a_failure_says_why(self, desk, platform):
        run = a_run(desk, platform, RunState.FAILED, problem="<b>The secret is wrong.</b>", ended_at=NOW)
        part = desk.open(f"/jobs/{run.id}/progress").one("div", role="alert")
        assert part.words == "<b>The secret is wrong.</b>"

    def test_a_queued_one_has_no_numbers_yet(self, desk, platform):
        run = a_run(desk, platform, RunState.QUEUED)
        part = desk.open(f"/jobs/{run.id}/progress").one("div", id="run")
        assert "max" not in part.one("progress").attributes and "Queued" in part.words

    @pytest.mark.parametrize("path", ["", "/progress"])
    def test_a_neighbours_is_not_found(self, desk, platform, make_tenant, client_of, path):
        run = a_run(desk, platform)
        assert client_of(make_tenant()).get(f"/jobs/{run.id}{path}").status_code == 404
        assert desk.browser.get(f"/jobs/0{path}").status_code == 404
        assert desk.browser.get(f"/jobs/{2**63}{path}").status_code == 404
        assert desk.app.test_client().get(f"/jobs/{run.id}{path}").status_code == 302
