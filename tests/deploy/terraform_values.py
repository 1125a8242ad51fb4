"""Works out the expressions that deploy/terraform uses, so that tests see what Terraform would make.

A small part of the language: templates, references, indexes, conditions, arithmetic, comparisons, `for` and a few
functions. Anything else raises `NotUnderstood`, so nothing is passed over.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<quote>")"""
    r"""|(?P<sign>=>|==|!=|<=|>=|&&|\|\||\.\.\.|[-+*/%!<>?:.,=(){}\[\]]))"""
)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


class NotUnderstood(Exception):
    """The expression uses something of the language that this part does not know, or a name that is not there."""


def value_of(written: Any, names: Callable[[str], Any]) -> Any:
    """What `written`, as python-hcl2 gives it, is worth. `names` gives the value of a root name, or raises KeyError."""
    if isinstance(written, dict):
        return {_key(key, names): value_of(each, names) for key, each in written.items()}
    if isinstance(written, list):
        return [value_of(each, names) for each in written]
    if isinstance(written, str):
        text = written[2:-1] if written.startswith("${") and written.endswith("}") else written
        return _Reader(text, names).whole()
    return written


def _key(key: str, names: Callable[[str], Any]) -> Any:
    return _Reader(key[2:-1], names).whole() if key.startswith("${") else key


class _Reader:
    """Reads one expression and works it out on the way."""

    def __init__(self, text: str, names: Callable[[str], Any]) -> None:
        self.text, self.at, self.names = text, 0, names

    def whole(self) -> Any:
        value = self.expression()
        if self.text[self.at :].strip():
            raise NotUnderstood(self.text)
        return value

    def expression(self) -> Any:
        condition = self.operation(0)
        if not self.take("?"):
            return condition
        # The branch that is not taken is read and may not be possible: an open intake without operators.
        yes = self.lazily(condition)
        self.need(":")
        no = self.lazily(not condition)
        return yes if condition else no

    def lazily(self, wanted: Any) -> Any:
        names = self.names
        if not wanted:
            self.names = lambda name: _Anything()
        try:
            return self.expression()
        finally:
            self.names = names

    _LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))

    def operation(self, level: int) -> Any:
        if level == len(self._LEVELS):
            return self.unary()
        left = self.operation(level + 1)
        while (sign := self.peek()) in self._LEVELS[level] and sign is not None:
            self.need(sign)
            left = _OPERATIONS[sign](left, self.operation(level + 1))
        return left

    def unary(self) -> Any:
        if self.take("!"):
            return not self.unary()
        if self.take("-"):
            return -self.unary()
        return self.postfix(self.primary())

    def postfix(self, value: Any) -> Any:
        while True:
            if self.take("."):
                value = _part(value, self.name(), self.text)
            elif self.peek() == "[":
                self.need("[")
                value = _part(value, self.expression(), self.text)
                self.need("]")
            else:
                return value

    def primary(self) -> Any:
        match = self.match()
        if match["number"]:
            self.at = match.end()
            return float(match["number"]) if "." in match["number"] else int(match["number"])
        if match["quote"]:
            self.at = match.end()
            return self.template()
        if match["sign"]:
            return self.bracket(match["sign"])
        return self.named(self.name())

    def bracket(self, sign: str) -> Any:
        self.need(sign)
        if sign == "(":
            value = self.expression()
            self.need(")")
            return value
        if sign == "[":
            return self.loop("]") if self.next_is_for() else self.sequence("]")
        if sign == "{":
            return self.loop("}") if self.next_is_for() else self.mapping()
        raise NotUnderstood(self.text)

    def named(self, name: str) -> Any:
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[name]
        if self.take("("):
            arguments = self.sequence(")")
            if name not in _FUNCTIONS:
                raise NotUnderstood(f"function {name} in {self.text}")
            return _FUNCTIONS[name](*arguments)
        try:
            return self.names(name)
        except KeyError as error:
            raise NotUnderstood(f"{name} in {self.text}") from error

    def loop(self, end: str) -> Any:
        self.name()  # for
        variables = [self.name()]
        if self.take(","):
            variables.append(self.name())
        if self.name() != "in":
            raise NotUnderstood(self.text)
        items = _items(self.expression(), pairs=len(variables) == 2)
        self.need(":")
        body, outer = self.at, self.names
        made: list[Any] = []
        for item in items or [(_Anything(), _Anything())]:  # what is not run is read all the same
            self.at = body
            self.names = _with(outer, dict(zip(variables, item, strict=False)))
            result = self.expression()
            if end == "}":
                self.need("=>")
                result = (result, self.expression())
            kept = self.expression() if self.take("if") else True
            if kept and items:
                made.append(result)
        self.names = outer
        self.need(end)
        return made if end == "]" else _without_twins(made, self.text)

    def sequence(self, end: str) -> list[Any]:
        values: list[Any] = []
        while not self.take(end):
            value = self.expression()
            if self.take("..."):
                values += value
            else:
                values.append(value)
            if not self.take(","):
                self.need(end)
                break
        return values

    def mapping(self) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        while not self.take("}"):
            match = self.match()
            key = self.name() if match["name"] else self.primary()
            if not self.take("="):
                self.need(":")
            values[key] = self.expression()
            self.take(",")
        return values

    def template(self) -> str:
        """After the opening quote."""
        parts: list[str] = []
        while (char := self.text[self.at]) != '"':
            if char == "\\":
                parts.append(_ESCAPES[self.text[self.at + 1]])
                self.at += 2
            elif self.text.startswith("${", self.at):
                self.at += 2
                parts.append(_as_text(self.expression()))
                self.need("}")
            else:
                parts.append(char)
                self.at += 1
        self.at += 1
        return "".join(parts)

    def match(self) -> re.Match[str]:
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise NotUnderstood(f"{self.text[self.at :]!r} in {self.text}")
        return match

    def peek(self) -> str | None:
        match = _TOKEN.match(self.text, self.at)
        return None if match is None else match["sign"] or match["name"]

    def next_is_for(self) -> bool:
        return self.peek() == "for"

    def take(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self.at = self.match().end()
        return True

    def need(self, word: str) -> None:
        if not self.take(word):
            raise NotUnderstood(f"{word} expected at {self.text[self.at :]!r} in {self.text}")

    def name(self) -> str:
        match = self.match()
        if not match["name"]:
            raise NotUnderstood(f"a name expected at {self.text[self.at :]!r} in {self.text}")
        self.at = match.end()
        return match["name"]


def _with(outer: Callable[[str], Any], inner: Mapping[str, Any]) -> Callable[[str], Any]:
    return lambda name: inner[name] if name in inner else outer(name)


class _Anything:
    """Stands for values in what is read and not used: everything can be done with it, and nothing comes of it."""

    def __getitem__(self, _key: object) -> _Anything:
        return self

    def __str__(self) -> str:
        return ""


def _part(value: Any, key: Any, text: str) -> Any:
    if isinstance(value, _Anything):
        return value
    try:
        return value[key]
    except (KeyError, IndexError, TypeError) as error:
        raise NotUnderstood(f"no {key!r} in what {text} looks at") from error


def _items(value: Any, *, pairs: bool) -> list[tuple[Any, ...]]:
    if isinstance(value, _Anything):
        return []
    if isinstance(value, Mapping):
        return list(value.items()) if pairs else [(each,) for each in value.values()]
    return list(enumerate(value)) if pairs else [(each,) for each in value]


def _without_twins(pairs: Sequence[tuple[Any, Any]], text: str) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, value in pairs:
        if key in made:
            raise NotUnderstood(f"{key!r} comes twice in {text}")
        made[key] = value
    return made


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        raise NotUnderstood(f"{value} in a text")
    return str(value)


def _flattened(values: Sequence[Any]) -> list[Any]:
    return [one for each in values for one in (_flattened(each) if isinstance(each, list) else [each])]


def _matched(pattern: str, text: str) -> str | None:
    """None where Terraform would fail: here it is only asked whether it can."""
    found = re.search(pattern, text)
    return None if found is None else found[0]


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "||": lambda a, b: a or b,
    "&&": lambda a, b: a and b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "can": lambda value: value is not None,
    "concat": lambda *lists: [each for one in lists for each in one],
    "contains": lambda values, value: value in values,
    "flatten": _flattened,
    "join": lambda between, values: between.join(values),
    "jsonencode": json.dumps,
    "keys": sorted,
    "length": len,
    "lookup": lambda map_, key, otherwise: map_.get(key, otherwise),
    "lower": lambda text: str(text).lower(),
    "merge": lambda *maps: {key: value for one in maps for key, value in one.items()},
    "regex": _matched,
    "setproduct": lambda *lists: [list(each) for each in itertools.product(*lists)],
    "toset": lambda values: {each: each for each in sorted(set(values))},
    "tostring": _as_text,
    "trimsuffix": lambda text, end: str(text).removesuffix(end),
    "upper": lambda text: str(text).upper(),
    "values": lambda map_: [map_[key] for key in sorted(map_)],
}
