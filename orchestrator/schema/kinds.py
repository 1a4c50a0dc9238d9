"""A section that may be of many kinds, told apart by its ``kind:``, those of plug-ins included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Protocol, TypeVar, Union, get_args

from pydantic import BaseModel, Field, GetCoreSchemaHandler, TypeAdapter, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from msgen.orchestrator.schema.problems import choose
from msgen.orchestrator.schema.quantities import Section, problem
from msgen.systems.plugins import PluginError, Registry


class Kind(Protocol):
    """A kind of a registry; only that of a plug-in has to name its section."""

    @property
    def section(self) -> type[BaseModel] | None: ...


K = TypeVar("K", bound=Kind)


class KindOf(Generic[K]):
    """Marks a field whose section is that of one kind of a registry.

    ``Annotated[Base, KindOf(KINDS, Base, SECTIONS)]`` is read as the tagged union of the sections
    of our own kinds, and its JSON schema is that of this union. The section of a plug-in is
    imported when a campaign asks for its kind, and takes part like one of our own.

    Parameters
    ----------
    registry : Registry
    base : type of Section
        Of every section.
    own : Mapping of str to type of Section
        The sections of our own kinds, by their name, in the order in which messages list them.
    """

    def __init__(
        self, registry: Registry[K], base: type[Section], own: Mapping[str, type[Section]]
    ) -> None:
        self._registry, self._base, self._own = registry, base, own

    def section(self, name: str) -> type[Section]:
        """The section of a kind.

        Raises
        ------
        KeyError
            If nobody brings it.
        PluginError
            If a plug-in cannot be used, or brings no section of this kind.
        """
        if name in self._own:
            return self._own[name]
        section, plugin = self._registry[name].section, self._registry.plugin(name)
        assert plugin is not None
        if section is None or not issubclass(section, self._base):
            raise PluginError(plugin, f"its section is no {self._base.__name__}")
        field = section.model_fields.get("kind")
        if field is None or get_args(field.annotation) != (name,):
            raise PluginError(plugin, f"its section has no kind: Literal[{name!r}]")
        return section

    def sections(self) -> Mapping[str, type[Section]]:
        """The sections of all kinds that can be used here, by name."""
        sections = dict(self._own)
        for name in self._registry:
            try:
                sections[name] = self.section(name)
            except PluginError:  # told where a campaign asks for it
                continue
        return sections

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_wrap_validator_function(
            self._validate,
            handler.generate_schema(_tagged(self._own)),
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
        if isinstance(value, Section):
            name: object = getattr(value, "kind", None)
        elif isinstance(value, dict) and "kind" in value:
            name = value["kind"]
        else:
            return by_own_kind(value)
        if not isinstance(name, str) or name in self._own:
            return by_own_kind(value)
        try:
            section = self.section(name)
        except KeyError:
            remedy = choose(name, self._registry)
            raise problem("unknown kind", remedy, at=("kind",), value=name) from None
        except PluginError as error:
            by = error.plugin.distribution
            remedy = f"Repair or remove the distribution {by}"
            raise problem(str(error), remedy, at=("kind",), value=name) from None
        reader: TypeAdapter[Any] = TypeAdapter(_tagged({**self._own, name: section}))
        return reader.validate_python(value, context=info.context)


def _tagged(sections: Mapping[str, type[Section]]) -> Any:
    return Annotated[Union[tuple(sections.values())], Field(discriminator="kind")]  # noqa: UP007
