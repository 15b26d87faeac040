"""Which values of a job's parameters are secrets, as the schema of its type says, and the parameters without them.

Prefect keeps parameters as plain JSON: what Pydantic hides (`SecretStr`) is readable there, and only the schema tells
(`writeOnly`, or `format: password`). A mark may stand anywhere: below references, in branches of a union, in what a
list or a dict holds. Where it is not clear which branch a value belongs to, one branch that says secret is enough.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

MASK = "**********"
"""What is shown for a secret; Pydantic writes the same."""
STEPS = 50_000
"""Schemas looked at for one set of parameters, a tenth of a second. What takes more is hidden altogether."""
FAR = 500
"""As many steps is a reference that does not lead down a path: the whole schema is looked through for it."""

Path = tuple[str | int, ...]
Schema = Mapping[str, Any]

_BRANCHES = ("allOf", "anyOf", "oneOf")
_ALSO = ("if", "then", "else", "not")
_SHOWN_VALUES = ("default", "const")
_SHOWN_LISTS = ("examples", "enum")


class MaskStandsForNothing(ValueError):
    """The mask was sent where there is no value that it could stand for."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{MASK} stands for a secret that is kept, and there is none here")
        self.path = path


class _Node(NamedTuple):
    """A part of a schema, and the whole that its references lead into."""

    schema: Schema
    root: Schema


class _TooMuch(Exception):
    pass


def _mapping(value: object) -> Schema | None:
    return cast("Schema", value) if isinstance(value, Mapping) else None


def _is_secret(schema: Schema) -> bool:
    return schema.get("writeOnly") is True or schema.get("format") == "password"


def _parts(schema: object) -> Iterator[Schema]:
    """Every object in a schema, however deep, without recursion."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            part = cast("Schema", value)
            yield part
            waiting.extend(part.values())
        elif isinstance(value, list):
            waiting.extend(cast("list[object]", value))


def has_secrets(schema: Schema) -> bool:
    """Whether anything in this schema is marked secret."""
    return any(_is_secret(part) for part in _parts(schema))


_UNKNOWN: Schema = {"writeOnly": True}
"""What a reference that leads nowhere is taken for: something in that schema is secret."""


def _resolved(reference: object, root: Schema) -> Schema:
    base, _, fragment = str(reference).partition("#")
    if base:
        found = next((part for part in _parts(root) if part.get("$id") == base), None)
        if found is None:
            return _UNKNOWN
        root = found
    if fragment and not fragment.startswith("/"):
        anchors = ("$anchor", "$dynamicAnchor")
        return next((part for part in _parts(root) if fragment in (part.get(name) for name in anchors)), _UNKNOWN)
    at: Any = root
    for word in fragment.split("/")[1:]:
        name = unquote(word).replace("~1", "/").replace("~0", "~")
        if isinstance(at, Mapping) and name in at:
            at = cast("Schema", at)[name]
        elif isinstance(at, list) and name.isdecimal() and int(name) < len(cast("list[Any]", at)):
            at = cast("list[Any]", at)[int(name)]
        else:
            return _UNKNOWN
    return _mapping(at) or {}


def may_hold_secrets(name: str, schemas: Sequence[Schema]) -> bool:
    """Whether a parameter of this name is secret, or something within it can be."""
    search = _Search()
    nodes = [_Node(schema, schema) for schema in schemas]
    try:
        return any(search.leads_to_secrets(node) for node in _below_name(search.applying(nodes), name))
    except _TooMuch:
        return True


def _is_far(reference: object) -> bool:
    text = str(reference)
    return text != "#" and not text.startswith("#/")


class _Search:
    """One look through a value for what is secret in it."""

    def __init__(self) -> None:
        self._left = STEPS
        self._leading: dict[int, bool] = {}

    def _step(self, count: int = 1) -> None:
        self._left -= count
        if self._left < 0:
            raise _TooMuch

    def _branches(self, node: _Node) -> Iterator[Schema]:
        """What a part of a schema refers to, and what it branches into."""
        schema, root = node
        for word in ("$ref", "$dynamicRef"):
            if word in schema:
                self._step(FAR if _is_far(schema[word]) else 1)
                yield _resolved(schema[word], root)
        listed = [part for word in _BRANCHES for part in _list(schema.get(word))]
        for branch in (*listed, *(schema.get(word) for word in _ALSO), *_values(schema.get("dependentSchemas"))):
            if found := _mapping(branch):
                yield found

    def leads_to_secrets(self, node: _Node) -> bool:
        """Whether anything below this part of a schema is secret, references followed."""
        if id(node.schema) not in self._leading:
            seen, waiting, found = set[int](), [node.schema], False
            while waiting and not found:
                schema = waiting.pop()
                self._step()
                if id(schema) in seen:
                    continue
                seen.add(id(schema))
                found = _is_secret(schema)
                parts = [part for value in schema.values() for part in (value, *_list(value))]
                waiting.extend(part for value in parts if (part := _mapping(value)))
                waiting.extend(self._branches(_Node(schema, node.root)))
            self._leading[id(node.schema)] = found
        return self._leading[id(node.schema)]

    def places(self, value: object, nodes: Iterable[_Node], path: Path) -> Iterator[Path]:
        if value is None:
            return
        applying = self.applying(nodes)
        names = (_mapping(node.schema.get("propertyNames")) for node in applying)
        if any(_is_secret(node.schema) for node in applying):
            yield path
        elif not _fits(value, applying) and any(self.leads_to_secrets(node) for node in applying):
            # Something else than was meant: nobody knows where in it the secret is.
            yield path
        elif isinstance(value, Mapping):
            if any(name and _is_secret(name) for name in names):
                yield path
                return
            for key, item in cast("Schema", value).items():
                yield from self.places(item, _below_name(applying, key), (*path, key))
        elif isinstance(value, list):
            for number, item in enumerate(cast("list[object]", value)):
                yield from self.places(item, _below_number(applying, number), (*path, number))

    def applying(self, nodes: Iterable[_Node]) -> list[_Node]:
        """These and all that they refer to or branch into, each once."""
        found: dict[int, _Node] = {}
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            self._step()
            if id(node.schema) in found:
                continue
            found[id(node.schema)] = node
            waiting.extend(_Node(schema, node.root) for schema in self._branches(node))
        return list(found.values())


_KINDS: tuple[tuple[type, frozenset[str]], ...] = (
    (dict, frozenset({"object"})),
    (list, frozenset({"array"})),
    (str, frozenset({"string"})),
    (bool, frozenset({"boolean"})),
    (int, frozenset({"integer", "number"})),
    (float, frozenset({"number"})),
)


def _fits(value: object, nodes: Sequence[_Node]) -> bool:
    """Whether a value is of a kind that one of these asks for; any is where none of them says which."""
    said = [kind for node in nodes for kind in (node.schema.get("type"), *_list(node.schema.get("type")))]
    asked = [kind for kind in said if isinstance(kind, str)]
    kinds = next((kinds for kind, kinds in _KINDS if isinstance(value, kind)), frozenset[str]())
    return not asked or any(kind in kinds for kind in asked)


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _values(value: object) -> list[object]:
    found = _mapping(value)
    return list(found.values()) if found else []


def _below(found: Iterable[tuple[object, Schema]]) -> Iterator[_Node]:
    return (_Node(schema, root) for part, root in found if (schema := _mapping(part)))


def _below_name(nodes: Iterable[_Node], name: str) -> Iterator[_Node]:
    def parts() -> Iterator[tuple[object, Schema]]:
        for schema, root in nodes:
            known = _mapping(schema.get("properties")) or {}
            # A pattern is not asked whether it means this name: its author wrote it, and it may take for ever.
            others = [*_values(schema.get("patternProperties"))]
            if name in known:
                others.append(known[name])
            else:
                others += [schema.get("additionalProperties"), schema.get("unevaluatedProperties")]
            yield from ((part, root) for part in others)

    return _below(parts())


def _below_number(nodes: Iterable[_Node], number: int) -> Iterator[_Node]:
    def parts() -> Iterator[tuple[object, Schema]]:
        for schema, root in nodes:
            items = schema.get("items")
            first = _list(schema.get("prefixItems")) or _list(items)
            if number < len(first):
                yield first[number], root
            else:
                others = (items, *(schema.get(word) for word in ("additionalItems", "unevaluatedItems")))
                yield from ((part, root) for part in others)
            yield schema.get("contains"), root

    return _below(parts())


def secret_places(parameters: Schema, schemas: Sequence[Schema]) -> list[Path]:
    """Where in these parameters something is secret, as any of these schemas says; all where that takes long."""
    if not schemas:
        return []
    try:
        return list(_Search().places(parameters, [_Node(schema, schema) for schema in schemas], ()))
    except (_TooMuch, RecursionError):
        return [(name,) for name in parameters]


def masked(parameters: Schema, schemas: Sequence[Schema]) -> dict[str, Any]:
    """The parameters without what is secret in them."""
    try:
        return _with_masks(parameters, secret_places(parameters, schemas))
    except RecursionError:  # too deep to be copied
        return dict.fromkeys(parameters, MASK)


def _with_masks(value: Any, places: Sequence[Path]) -> Any:
    if not places:
        return value
    if () in places:
        # A schema that says that everything is secret leaves the names.
        return dict.fromkeys(cast("Schema", value), MASK) if isinstance(value, Mapping) else MASK
    copied = deepcopy(value)
    for path in places:
        _put(copied, path, MASK)
    return copied


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: Any, path: Path, new: Any) -> None:
    _at(value, path[:-1])[path[-1]] = new


def filled(parameters: Schema, schemas: Sequence[Schema], kept: Schema) -> dict[str, Any]:
    """The parameters with what is kept in the places of secrets for which the mask was sent.

    A whole parameter that is the mask is left out, when nothing is kept: then the deployment's own counts.

    Raises:
        MaskStandsForNothing: nothing is kept for a secret within a parameter.
    """
    whole = deepcopy(dict(parameters))
    for path in secret_places(parameters, schemas):
        if not path or _at(parameters, path) != MASK:
            continue
        try:
            _put(whole, path, _at(kept, path))
        except (LookupError, TypeError):
            name, *deeper = path
            if deeper:
                raise MaskStandsForNothing(path) from None
            del whole[str(name)]
    return whole


def shown_schema(schema: Schema) -> dict[str, Any]:
    """A schema as it is shown: without the secrets that it names as defaults, examples and choices."""
    if not has_secrets(schema):
        return dict(schema)
    try:
        shown = deepcopy(dict(schema))
    except RecursionError:
        return {}
    search = _Search()
    for part in _parts(shown):
        _hide_values(cast("dict[str, Any]", part), shown, search)
    return shown


def _hide_values(part: dict[str, Any], root: Schema, search: _Search) -> None:
    def hidden(value: Any) -> Any:
        try:
            return _with_masks(value, list(search.places(value, [_Node(part, root)], ())))
        except (_TooMuch, RecursionError):
            return MASK

    for word in _SHOWN_VALUES:
        if word in part:
            part[word] = hidden(part[word])
    for word in _SHOWN_LISTS:
        if isinstance(part.get(word), list):
            part[word] = [hidden(value) for value in _list(part[word])]
