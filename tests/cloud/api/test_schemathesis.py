"""The description against the live app: whatever its schemas allow, or forbid, is answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portal.cloud.api import OPEN, PROTECTED
from portal.extensions import limiter
from tests.cloud.api.caller import ORDER, Caller, a_package, an_order, new_caller
from tests.patience import SECONDS

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [
    operation for blueprint in (*PROTECTED, *OPEN) for operation in import_module(blueprint.import_name).OPERATIONS
]
# What takes nothing can be asked nothing wrong.
WAYS = [
    (operation, mode)
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode == GenerationMode.POSITIVE or "<" in operation.path or operation.takes or operation.id == "getToken"
]
KEY = "shipment-4711"
# Times as people have them: those of other millennia are refused, which other tests see to.
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)
schemathesis.openapi.format("date-time", TIMES)
# A few of each: together they have to stay below half a minute.
EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def account(app) -> Caller:
    return new_caller(app, "Schemathesis")


@pytest.fixture
def names(account) -> dict[str, str]:
    """What is there, so that not all paths lead nowhere. Made anew: an operation may have removed it."""
    for platform in account.get("/v1/platforms").json:
        account.delete(f"/v1/platforms/{platform['reference']}")
    reference = account.connected("Schemathesis")
    account.receive(reference, an_order())
    made = account.post(f"/v1/platforms/{reference}/status-messages", a_package(), headers={"Idempotency-Key": KEY})
    assert made.status_code == 201, made.text
    return {"reference": reference, "order_id": ORDER, "key": KEY}


@pytest.fixture(scope="module")
def api(live_server) -> Iterator[BaseSchema]:
    limiter.enabled, before = False, limiter.enabled
    yield schemathesis.openapi.from_url(f"{live_server}/cloud/v1/openapi.json")
    limiter.enabled = before


@pytest.mark.parametrize(("operation", "mode"), WAYS, ids=[f"{operation.id}-{mode.value}" for operation, mode in WAYS])
def test_the_app_is_as_it_says(api, account, names, amazon, operation, mode):
    described = api.find_operation_by_id(operation.id)

    @EXAMPLES
    @given(case=described.as_strategy(generation_mode=mode), is_there=st.sampled_from([True, True, False]))
    def check(case: schemathesis.Case, is_there: bool) -> None:
        if is_there:
            case.path_parameters = {name: names[name] for name in case.path_parameters}
        case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {account.token}"}, timeout=SECONDS)

    check()
