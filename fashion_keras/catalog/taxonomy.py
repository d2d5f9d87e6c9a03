"""Taxonomy: product types and the attributes that each of them has, from a YAML file.

```yaml
product_types:
  - {name: watch, column: sub_category, values: [Watches]}
attributes:
  - name: display
    kind: single                  # or multi: several labels at once
    labels: [Analogue, Digital]
    rules: display                # the group of title_rules that reads it from the product's title, or
    # column: display_type        # the column that holds it
    applies_to: [watch]           # left out: all products
```
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fashion_keras.catalog.attributes import AttributeGroup, ColumnSource, ProductType, TitleSource
from fashion_keras.catalog.title_rules import rules_for_group
from fashion_keras.support.errors import InputError, unknown_name_error

KINDS = ("single", "multi")
_TAGS = set(yaml.SafeLoader.yaml_constructors) - {"tag:yaml.org,2002:null", None}  # None stands for any other tag
_SHIPPED = Path(__file__).with_name("taxonomies")


@dataclass(frozen=True)
class Taxonomy:
    """Product types, and the attributes that belong to them.

    Attributes:
        name: the file's name without its ending.
        types: the product types, in the file's order; a product may be of several or of none.
        attributes: the attributes as groups that `encode_groups` and `learnable_groups` take.
    """

    name: str
    types: tuple[ProductType, ...]
    attributes: tuple[AttributeGroup, ...]


def load_taxonomy(name: str | Path) -> Taxonomy:
    """Read a taxonomy that comes with the package, "kaggle" or "gutierrez2019", or a YAML file.

    Raises:
        InputError: for an unknown name; for a file that is missing, not YAML or breaks the schema, with the line.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        shipped = sorted(file.stem for file in _SHIPPED.glob("*.yaml"))
        if str(name) not in shipped:
            raise unknown_name_error("taxonomy", str(name), [*shipped, "FILE.yaml"])
        path = _SHIPPED / f"{name}.yaml"
    return _Reader(path).read()


@dataclass(frozen=True)
class _Reader:
    """Reader of one file: YAML nodes, which have line numbers for error messages, become values."""

    path: Path

    def read(self) -> Taxonomy:
        fields = self.fields(self.document(), ("product_types", "attributes"))
        types = tuple(self.product_type(node) for node in self.items(fields["product_types"]))
        self.check_names("product type", types, fields["product_types"])
        attributes = tuple(self.attribute(node, types) for node in self.items(fields["attributes"]))
        self.check_names("attribute", attributes, fields["attributes"])
        return Taxonomy(self.path.stem, types, attributes)

    def document(self) -> Node:
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file")
        try:
            node = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise InputError(f"{self.path}:{line}: not YAML ({error.problem})") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path}:1: not YAML ({' '.join(str(error).split())[:200]})") from None
        except RecursionError:
            raise InputError(f"{self.path}:1: not a taxonomy (nested too deeply)") from None
        if node is None:
            raise InputError(f"{self.path}:1: empty; expected the keys product_types and attributes")
        return node

    def product_type(self, node: Node) -> ProductType:
        fields = self.fields(node, ("name", "column", "values"))
        return ProductType(self.text(fields["name"]), self.text(fields["column"]), self.texts(fields["values"]))

    def attribute(self, node: Node, types: Sequence[ProductType]) -> AttributeGroup:
        fields = self.fields(node, ("name", "kind", "labels"), ("rules", "column", "applies_to"))
        name, kind, labels = self.text(fields["name"]), self.text(fields["kind"]), self.texts(fields["labels"])
        if kind not in KINDS:
            raise self.error(fields["kind"], unknown_name_error("kind", kind, KINDS))
        if len(labels) < 2:
            raise self.error(fields["labels"], f"attribute {name!r} has a single label; an attribute needs two")
        if ("rules" in fields) == ("column" in fields):
            raise self.error(node, f"attribute {name!r} needs either 'rules' or 'column', to say where it is read")
        source = (
            self.rules(fields["rules"], fields["labels"])
            if "rules" in fields
            else ColumnSource(self.text(fields["column"]))
        )
        applies_to = self.known_types(fields["applies_to"], types) if "applies_to" in fields else ()
        return AttributeGroup(name, kind, source, applies_to, labels)

    def rules(self, node: Node, labels: Node) -> TitleSource:
        """Return the source of an attribute that is read from titles; InputError for a label that no rule names."""
        group = self.text(node)
        try:
            given = [rule.label for rule in rules_for_group(group)]
        except InputError as error:
            raise self.error(node, error) from None
        for item in self.items(labels):
            if self.text(item) not in given:
                raise self.error(item, unknown_name_error(f"label of the rules {group!r}", self.text(item), given))
        return TitleSource(group)

    def known_types(self, node: Node, types: Sequence[ProductType]) -> tuple[ProductType, ...]:
        known = {kind.name: kind for kind in types}
        for item in self.items(node):
            if self.text(item) not in known:
                raise self.error(item, unknown_name_error("product type", self.text(item), known))
        return tuple(known[name] for name in self.texts(node))

    def check_names(self, what: str, rows: Sequence[ProductType | AttributeGroup], node: Node) -> None:
        first: dict[str, int] = {}
        for row, item in zip(rows, self.items(node), strict=True):
            line = item.start_mark.line + 1
            if first.setdefault(row.name, line) != line:
                raise self.error(item, f"{what} {row.name!r} stands on line {first[row.name]} already")

    def fields(self, node: Node, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Node]:
        """Return key -> node of a mapping that has all required keys, and others only that are optional."""
        if not isinstance(node, MappingNode) or node.tag not in _TAGS:
            raise self.error(node, f"expected the keys {', '.join(required)}")
        values: dict[str, Node] = {}
        for key, value in node.value:
            name = self.text(key)
            if name not in (*required, *optional):
                raise self.error(key, unknown_name_error("key", name, (*required, *optional)))
            if name in values:
                raise self.error(key, f"key {name!r} stands on line {values[name].start_mark.line + 1} already")
            values[name] = value
        missing = [name for name in required if name not in values]
        if missing:
            raise self.error(node, f"the key {missing[0]!r} is missing")
        return values

    def items(self, node: Node) -> list[Node]:
        if not isinstance(node, SequenceNode) or node.tag not in _TAGS or not node.value:
            raise self.error(node, "expected a list with one entry or more")
        return node.value

    def texts(self, node: Node) -> tuple[str, ...]:
        values: list[str] = []
        for item in self.items(node):
            if self.text(item) in values:
                raise self.error(item, f"{self.text(item)!r} stands in the list already")
            values.append(self.text(item))
        return tuple(values)

    def text(self, node: Node) -> str:
        """Return a scalar as it is written: `no` and `2` are texts like any other."""
        if not isinstance(node, ScalarNode) or node.tag not in _TAGS or not node.value.strip():
            raise self.error(node, "expected a word or a text")
        return node.value.strip()

    def error(self, node: Node, words: object) -> InputError:
        return InputError(f"{self.path}:{node.start_mark.line + 1}: {words}")
