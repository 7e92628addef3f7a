"""The contract as a document: `/schema/openapi.json`. What holds for all endpoints is said of each of them here."""

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, OpenAPI, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin, ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from assistant import __version__
from assistant.http import Incoming, Outgoing, signed_in
from assistant.identity import in_person

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator  # a name for the type checker, and private

Json = dict[str, Any]

BEARER: Final = "bearer"

PROBLEM: Final[Json] = {
    "type": "object",
    "description": "RFC 9457. `detail` is a sentence for people, `code` is for programs and stable.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "The fields at fault, of 422 and some of 404.",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "request_id": {"type": "string", "description": "Of 500: what to look for in the log."},
    },
}

REFUSALS: Final = {
    400: "The request is malformed: no JSON, a cursor or an entity tag that is none.",
    401: "Nobody is signed in, or the token or key is not good.",
    403: "The caller may see it, but not do this with it.",
    404: "There is no such thing, or the caller may not see it.",
    409: "Something stands in the way; `code` says what.",
    412: "It is not what the caller has seen; nothing was written.",
    413: "The body is too large.",
    414: "The address is too long: more than 8 KiB.",
    415: "The body's format is not read here.",
    422: "A value is not allowed; `errors` names the field.",
    429: "Too often; `Retry-After` says in how many seconds to come back.",
    431: "The headers are too long: more than 16 KiB together.",
    500: "A fault of the service. It was recorded under `request_id`.",
    503: "A part of the service does not answer; `Retry-After` says when to try again.",
}
"""What each status means here, whichever endpoint it comes from."""

_TAGGED: Final = ("200", "201")

_PAGE: Final = re.compile(rb"Page_[\w.]+\.([A-Za-z]+)_")
"""How the framework names a page of something: by its module, which is nobody's business and makes poor type names."""


class Contract(OpenAPISchemaPlugin, ReceiveRoutePlugin):
    """Describes what a handler's signature does not say: refusals, sign-in, entity tags, which fields there are."""

    def __init__(self) -> None:
        self.closed: set[tuple[str, str]] = set()
        """Path and method of what only who is signed in may do."""

    @property
    def config(self) -> OpenAPIConfig:
        return _Config(
            self.closed,
            title="GoalSpace assistant",
            version=__version__,
            path="/schema",
            render_plugins=[JsonRenderPlugin()],
            components=Components(
                security_schemes={
                    BEARER: SecurityScheme(type="http", scheme="bearer", description="A token, or a key: gsk_…")
                }
            ),
        )

    def receive_route(self, route: BaseRoute) -> None:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if {signed_in, in_person} & set(handler.resolve_guards()):
                    self.closed |= {(route.path_format, method) for method in handler.http_methods}

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return not field_definition.is_union and field_definition.is_subclass_of((Incoming, Outgoing))

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: "SchemaCreator") -> Schema:
        described = next(
            plugin.to_openapi_schema(field_definition, schema_creator)
            for plugin in schema_creator.plugins
            if plugin is not self and schema_creator.plugin_supports_field(plugin, field_definition)
        )
        assert isinstance(described, Schema)
        if field_definition.is_subclass_of(Incoming):
            described.additional_properties = False
        else:  # also what has a default is always sent
            described.required = list(described.properties or ())
        return described


class _Config(OpenAPIConfig):
    def __init__(self, closed: set[tuple[str, str]], **options: Any) -> None:
        super().__init__(**options)
        self._closed = closed

    def to_openapi_schema(self) -> OpenAPI:
        plain = super().to_openapi_schema()
        return _Document(self._closed, **{field.name: getattr(plain, field.name) for field in fields(plain)})


class _Document(OpenAPI):
    def __init__(self, closed: set[tuple[str, str]], **parts: Any) -> None:
        super().__init__(**parts)
        self._closed = closed

    def to_schema(self) -> Json:
        document: Json = super().to_schema()
        document["components"]["schemas"]["Problem"] = PROBLEM
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if path.startswith("/api/"):
                    closed = (path, method.upper()) in self._closed
                    operation["security"] = [{BEARER: []}] if closed else [{BEARER: []}, {}]
                    _describe_tag(method, operation)
                operation["responses"] |= {
                    str(status): _refusal(status) for status in _refusals_of(path, method, operation)
                }
        named: Json = msgspec.json.decode(_PAGE.sub(rb"\1Page", msgspec.json.encode(document)))
        return named


def _refusals_of(path: str, method: str, operation: Json) -> Iterator[int]:
    """The statuses with which an endpoint may refuse."""
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    has_body = "requestBody" in operation
    yield from (414, 431, 500)
    if path.startswith("/health") or path == "/metrics":
        if "ready" in path:
            yield 503
        return
    yield from (400, 429, 503)
    if path.startswith("/api/"):
        yield from (401, 403)
    if "{" in path or has_body:
        yield 404
    if method != "get":
        yield 409
    if "If-Match" in names:
        yield 412
    if has_body:
        yield from (413, 415)
    if has_body or names:
        yield 422
    if path.startswith("/auth/"):
        yield 401
    if path.startswith("/webhooks/"):
        yield from (401, 404, 413, 415, 422)


def _refusal(status: int) -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": REFUSALS[status], "content": {"application/problem+json": {"schema": schema}}}


def _describe_tag(method: str, operation: Json) -> None:
    """One object has an entity tag, and a GET with it may be answered by 304."""
    text = {"schema": {"type": "string"}}
    for status in _TAGGED:
        answer = operation["responses"].get(status, {})
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if not schema.get("$ref", "").rpartition("/")[2] or "Page" in schema["$ref"]:
            continue
        answer["headers"] = answer.get("headers", {}) | {"ETag": text}
        if method == "get":
            tag = {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}
            operation["parameters"] = [*operation.get("parameters", []), tag]
            operation["responses"]["304"] = {"description": "It is what the caller has."}
        elif any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", [])):
            answer["headers"]["Idempotency-Replayed"] = text
