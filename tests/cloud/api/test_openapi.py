"""The API's description: valid OpenAPI, of every route there is, in the words of JSON Schema."""

from __future__ import annotations

import re

import jsonschema
import msgspec
import pytest

from portal.cloud.api import shapes
from portal.order import Order
from tests.cloud.api.caller import a_package, an_order

JUDGED = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def document(app) -> dict:
    answer = app.test_client().get("/cloud/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json


def operations(document: dict) -> dict[tuple[str, str], dict]:
    return {
        (method, path): entry[method]
        for path, entry in document["paths"].items()
        for method in JUDGED
        if method in entry
    }


def schema_of(document: dict, name: str) -> dict:
    """A component as a schema of its own."""
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def test_it_is_openapi(document):
    """By the OpenAPI Initiative's own rules, as far as Schemathesis holds them; and every reference leads somewhere."""
    import schemathesis

    assert document["openapi"] == "3.1.0"
    loaded = schemathesis.openapi.from_dict(document)
    loaded.validate()
    for name in re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(document)):
        assert name in document["components"]["schemas"]


def test_every_schema_is_json_schema(document):
    for name in document["components"]["schemas"]:
        jsonschema.Draft202012Validator.check_schema(schema_of(document, name))


def test_every_route_is_described_and_nothing_else(app, document):
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix("/cloud")))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/cloud/") and not rule.endpoint.startswith("cloud_connect.")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert set(operations(document)) == routes
    assert len(routes) > 15


def test_every_operation_has_a_name_of_its_own(document):
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(names) == len(set(names))
    assert all(operation["summary"] for operation in operations(document).values())


def test_every_name_in_a_path_is_described(document):
    for path, entry in document["paths"].items():
        told = [parameter["name"] for parameter in entry.get("parameters", [])]
        assert told == re.findall(r"{(\w+)}", path)


def test_all_but_the_door_needs_a_token(document):
    assert document["security"] == [{"token": []}]
    free = {path for (_, path), operation in operations(document).items() if operation.get("security") == []}
    assert free == {"/oauth/token", "/v1/openapi.json"}
    for operation in operations(document).values():
        assert ("401" in operation["responses"]) == (operation["operationId"] != "readDescription")


def test_every_refusal_is_a_problem_document(document):
    for operation in operations(document).values():
        for status, answer in operation["responses"].items():
            if status >= "400" and not (operation["operationId"] == "getToken" and status in ("400", "401")):
                assert list(answer["content"]) == ["application/problem+json"]


def test_orders_are_described_as_what_they_are(document):
    stored = document["components"]["schemas"]["StoredOrder"]["properties"]["order"]
    assert stored == {"$ref": "#/components/schemas/Order"}
    told = msgspec.to_builtins(an_order(), str_keys=True)
    told["total"] = str(told["total"])
    jsonschema.validate(msgspec.json.decode(msgspec.json.encode(an_order())), schema_of(document, "Order"))
    assert set(Order.__struct_fields__) == set(document["components"]["schemas"]["Order"]["properties"])


@pytest.mark.parametrize(
    ("name", "body", "good"),
    [
        ("NewStatusMessage", a_package(), True),
        ("NewStatusMessage", a_package(tracking_number="a\0"), False),
        ("NewStatusMessage", a_package(carrier_code=" "), False),
        ("NewStatusMessage", a_package(surprise=1), False),
        ("NewPlatform", {"kind": "amazon", "name": "Käthes Lädchen", "marketplaces": ["A1PA6795UKMFR9"]}, True),
        ("NewPlatform", {"kind": "amazon", "name": "a\nb", "marketplaces": ["A1PA6795UKMFR9"]}, False),
        ("NewPlatform", {"kind": "amazon", "name": "Neu", "marketplaces": []}, False),
        ("ConsentWish", {"return_url": "https://portal.example/platforms/1"}, True),
        ("ConsentWish", {"return_url": "javascript:alert(1)"}, False),
        ("Acknowledgement", {"orders": [{"id": "028-1", "version": "2026-11-01T12:00:00Z"}]}, True),
        ("Acknowledgement", {"orders": [{"id": "028 1", "version": "2026-11-01T12:00:00Z"}]}, False),
        ("Acknowledgement", {"orders": [{"id": "028-1", "version": "2026-11-01T12:00:00Z"}] * 501}, False),
    ],
)
def test_what_the_schema_takes_the_api_takes(document, name, body, good):
    """The patterns mean the same to JSON Schema as to the code that reads the bodies."""
    validator = jsonschema.Draft202012Validator(schema_of(document, name))
    assert validator.is_valid(body) is good
    try:
        msgspec.json.decode(msgspec.json.encode(body), type=getattr(shapes, name))
    except msgspec.ValidationError:
        assert not good
    else:
        assert good


def test_no_pattern_speaks_python(document):
    patterns = re.findall(r"'pattern': '((?:[^'\\]|\\.)*)'", str(document))
    assert patterns
    assert not [pattern for pattern in patterns if r"\Z" in pattern or r"\\Z" in pattern]
