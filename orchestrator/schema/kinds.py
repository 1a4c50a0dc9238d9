"""A section that may be of many kinds, told apart by its ``kind:``, those of plug-ins included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, TypeVar, Union

from pydantic import Field, GetCoreSchemaHandler, TypeAdapter, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from msgen.orchestrator.schema.problems import choose
from msgen.orchestrator.schema.quantities import Section, problem
from msgen.systems.plugins import PluginError, Registry

K = TypeVar("K")


class KindOf(Generic[K]):
    """Marks a field whose section is that of one kind of a registry.

    ``Annotated[Base, KindOf(KINDS, section)]`` is read as the tagged union of the sections of our
    own kinds, and its JSON schema is that of this union. The section of a plug-in is imported when
    a campaign asks for its kind, and takes part like one of our own.

    Parameters
    ----------
    registry : Registry
    section : callable
        The section of a kind.
    """

    def __init__(self, registry: Registry[K], section: Callable[[K], type[Section]]) -> None:
        self._registry, self._section = registry, section

    def own(self) -> dict[str, type[Section]]:
        """The sections of our own kinds, by name."""
        return {name: self._section(kind) for name, kind in self._registry.own.items()}

    def sections(self) -> Mapping[str, type[Section]]:
        """The sections of all kinds that can be used here, by name."""
        sections = self.own()
        for name in self._registry:
            if name not in sections:
                try:
                    sections[name] = self._section(self._registry[name])
                except PluginError:  # told where a campaign asks for it
                    continue
        return sections

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_wrap_validator_function(
            self._validate,
            handler.generate_schema(_tagged(self.own())),
            # each section knows how it is written
            serialization=core_schema.wrap_serializer_function_ser_schema(
                lambda value, write: write(value), schema=core_schema.any_schema()
            ),
        )

    def _validate(
        self,
        value: object,
        by_own_kind: core_schema.ValidatorFunctionWrapHandler,
        info: ValidationInfo,
    ) -> object:
        own = self.own()
        if isinstance(value, Section):
            name: object = getattr(value, "kind", None)
        elif isinstance(value, dict) and "kind" in value:
            name = value["kind"]
        else:
            return by_own_kind(value)
        if not isinstance(name, str) or name in own:
            return by_own_kind(value)
        try:
            section = self._section(self._registry[name])
        except KeyError:
            remedy = choose(name, self._registry)
            raise problem("unknown kind", remedy, at=("kind",), value=name) from None
        except PluginError as error:
            by = error.plugin.distribution
            remedy = f"Repair or remove the distribution {by}"
            raise problem(str(error), remedy, at=("kind",), value=name) from None
        reader: TypeAdapter[Any] = TypeAdapter(_tagged({**own, name: section}))
        return reader.validate_python(value, context=info.context)


def _tagged(sections: Mapping[str, type[Section]]) -> Any:
    return Annotated[Union[tuple(sections.values())], Field(discriminator="kind")]  # noqa: UP007
