"""The contract as a document: `/schema/openapi.json`."""

from typing import TYPE_CHECKING

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from assistant import __version__
from assistant.http import Incoming

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator  # a name for the type checker, and private


def describe_api() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="GoalSpace assistant", version=__version__, path="/schema", render_plugins=[JsonRenderPlugin()]
    )


class StrictInputs(OpenAPISchemaPlugin):
    """Says of every input what is true of it: a field that it does not know is refused."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return not field_definition.is_union and field_definition.is_subclass_of(Incoming)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: "SchemaCreator") -> Schema:
        described = next(
            plugin.to_openapi_schema(field_definition, schema_creator)
            for plugin in schema_creator.plugins
            if plugin is not self and schema_creator.plugin_supports_field(plugin, field_definition)
        )
        assert isinstance(described, Schema)
        described.additional_properties = False
        return described
