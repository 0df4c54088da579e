"""Usage plans: a bucket for each seller and operation, with the published figures."""

from __future__ import annotations

from portal.sandbox.plans import PUBLISHED, Limits, Plan


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_published_plans_are_amazons():
    assert PUBLISHED["searchOrders"] == Plan(0.0056, 20)
    assert PUBLISHED["getOrder"] == Plan(0.5, 30)
    assert PUBLISHED["confirmShipment"] == Plan(2, 10)
    assert PUBLISHED["getMarketplaceParticipations"] == Plan(0.016, 15)


def test_a_bucket_gives_its_burst_and_then_its_rate():
    clock = Clock()
    limits = Limits(PUBLISHED, clock)
    assert [limits.spend("A", "searchOrders") for _ in range(21)] == [True] * 20 + [False]
    clock.now = 178
    assert not limits.spend("A", "searchOrders")
    clock.now = 179
    assert limits.spend("A", "searchOrders")
    assert not limits.spend("A", "searchOrders")
    clock.now += 10**6
    assert [limits.spend("A", "searchOrders") for _ in range(21)] == [True] * 20 + [False]


def test_sellers_and_operations_have_buckets_of_their_own():
    limits = Limits({"getOrder": Plan(0, 1), "searchOrders": Plan(0, 1)}, Clock())
    assert limits.spend("A", "getOrder")
    assert limits.spend("A", "searchOrders")
    assert limits.spend("B", "getOrder")
    assert not limits.spend("A", "getOrder")


def test_an_empty_bucket_answers_429_without_the_rate(amazon):
    amazon.set(plans={"searchOrders": [0.0056, 2]})
    answers = [amazon.search() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["x-amzn-RateLimit-Limit"] == "0.0056"
    assert "x-amzn-RateLimit-Limit" not in answers[2].headers
    assert answers[2].json()["errors"][0]["code"] == "QuotaExceeded"
    assert amazon.search(seller=amazon.add_seller()).status_code == 200


def test_refusals_of_the_request_tell_the_rate_and_cost_a_token(amazon):
    amazon.set(plans={"getOrder": [0, 2]})
    answers = [amazon.get_order(order_id) for order_id in ("odd", "302-1111111-1111111", "odd")]
    assert [answer.status_code for answer in answers] == [400, 404, 429]
    assert ["x-amzn-RateLimit-Limit" in answer.headers for answer in answers] == [True, True, False]


def test_a_raised_plan_shows_in_the_header(amazon):
    amazon.set(plans="fast")
    assert amazon.search().headers["x-amzn-RateLimit-Limit"] == "0.5"


def test_every_answer_has_a_request_id_of_its_own(amazon):
    answers = [amazon.search(), amazon.search(), amazon.token(grant_type="none"), amazon.api("GET", "/orders/x")]
    assert len({answer.headers["x-amzn-RequestId"] for answer in answers}) == 4
