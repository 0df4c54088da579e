"""The description of the API in OpenAPI 3.1, made of what the modules say about their operations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib import import_module
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, current_app

from portal.cloud import tokens
from portal.cloud.api import problems, shapes
from portal.cloud.api.describing import Operation
from portal.order import Order

bp = Blueprint("cloud_openapi", __name__)

PATH = "/v1/openapi.json"
OPERATIONS = (Operation("get", PATH, "readDescription", "This document", {200: None}, open=True),)
VERSION = "1.0"
COMPONENT = "#/components/schemas/{name}"

PATH_PARAMETERS = {
    "reference": {"type": "string", "maxLength": 60, "pattern": shapes.REFERENCE},
    "order_id": {"type": "string", "maxLength": 60, "pattern": shapes.ORDER_ID},
    "key": {"type": "string", "maxLength": 100, "pattern": shapes.KEY},
}
TOKEN_REQUEST = {
    "type": "object",
    "properties": {
        "grant_type": {"const": "client_credentials"},
        "client_id": {"type": "string"},
        "client_secret": {"type": "string"},
        "scope": {"const": tokens.SCOPE},
    },
    "required": ["grant_type"],
}
REQUEST_ID = {"description": "Names this call in the cloud's log.", "schema": {"type": "string"}}
RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer"}}


def init_app(app: Flask, *groups: Iterable[Blueprint]) -> None:
    """Describe what these blueprints' modules offer, once."""
    operations = [
        operation
        for group in groups
        for blueprint in group
        for operation in import_module(blueprint.import_name).OPERATIONS
    ]
    public_url = app.config["PUBLIC_URL"]
    app.extensions["cloud_description"] = msgspec.json.encode(description(operations, public_url))


@bp.get(PATH)
def show() -> Response:
    return Response(current_app.extensions["cloud_description"], mimetype="application/json")


def description(operations: Iterable[Operation], public_url: str) -> dict[str, Any]:
    """The whole document. Pure."""
    operations = list(operations)
    shown = [shape for operation in operations for shape in (*operation.answers.values(), operation.takes) if shape]
    shown += [problems.Document, Order]
    _, components = msgspec.json.schema_components(shown, ref_template=COMPONENT)
    # The order travels as the bytes it was stored as; to whoever reads them it is an order.
    components["StoredOrder"]["properties"]["order"] = {"$ref": COMPONENT.format(name="Order")}
    paths: dict[str, Any] = {}
    for operation in operations:
        path = re.sub(r"<(\w+)>", r"{\1}", operation.path)
        names = re.findall(r"<(\w+)>", operation.path)
        entry = paths.setdefault(path, {"parameters": [_path_parameter(name) for name in names]} if names else {})
        entry[operation.method] = _operation(operation, components)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Kontor cloud",
            "version": VERSION,
            "description": "Orders of connected marketplaces, delivered until acknowledged, and status messages back.",
        },
        "servers": [{"url": "/cloud"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": f"{public_url}/cloud/oauth/token",
                            "scopes": {tokens.SCOPE: "All of the API"},
                        }
                    },
                }
            },
        },
    }
    return _portable(document)


def _operation(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": {
            **{str(status): _answer(status, shape, operation) for status, shape in operation.answers.items()},
            **{str(status): _problem(status) for status in operation.refusals},
        },
    }
    if operation.description:
        described["description"] = operation.description
    if operation.parameters:
        described["parameters"] = [dict(parameter) for parameter in operation.parameters]
    if operation.takes is not None:
        schema = {"$ref": COMPONENT.format(name=operation.takes.__name__)}
        content = {"application/json": {"schema": schema}}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    if operation.id == "getToken":
        form = {"application/x-www-form-urlencoded": {"schema": TOKEN_REQUEST}}
        described["requestBody"] = {"required": True, "content": form}
    if operation.open:
        described["security"] = []
    return described


def _answer(status: int, shape: Any, operation: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase, "headers": {"X-Request-Id": REQUEST_ID}}
    if operation.path == PATH:
        answer["content"] = {"application/json": {"schema": {"type": "object"}}}
    elif shape is not None:
        (schema,), _ = msgspec.json.schema_components([shape], ref_template=COMPONENT)
        answer["content"] = {"application/json": {"schema": schema}}
    return answer


def _problem(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": REQUEST_ID}
    if status in (429, 503):
        headers["Retry-After"] = RETRY_AFTER
    schema = {"$ref": COMPONENT.format(name="Document")}
    return {
        "description": HTTPStatus(status).phrase,
        "headers": headers,
        "content": {problems.MEDIA_TYPE: {"schema": schema}},
    }


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"minLength": 1, **PATH_PARAMETERS[name]}}


def _portable(part: Any) -> Any:
    r"""The same with patterns as JSON Schema has them: its `$` is Python's `\Z`."""
    if isinstance(part, dict):
        return {
            name: value.replace(r"\Z", "$") if name == "pattern" and isinstance(value, str) else _portable(value)
            for name, value in part.items()
        }
    if isinstance(part, list | tuple):
        return [_portable(value) for value in part]
    return part
