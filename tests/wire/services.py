"""Python's side of ``pychronix.peer.wire.Services``: the same interface, the same calls, the same way to tell them."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Protocol

import pychronix as px
from pychronix import methods
from pychronix.wire import alias

PEER = "pychronix.peer.wire.Services$"


class Color(enum.Enum):
    RED = 0
    GREEN = 1


@dataclasses.dataclass
class Order:
    id: int = 0
    px: float = 0.0
    name: str | None = None
    ts: int = 0
    color: Color | None = None
    live: bool = False
    tags: list[str] = dataclasses.field(default_factory=list)

    def told(self) -> str:
        color = None if self.color is None else self.color.name
        values = (self.id, self.px, self.name, self.ts, color, self.live)
        return ",".join(map(java, values)) + ",[" + ", ".join(self.tags) + "]"


@dataclasses.dataclass
class BigOrder(Order):
    quantity: int = 0


alias(Color, PEER + "Color")
alias(Order, PEER + "Order")
alias(BigOrder, PEER + "BigOrder")


class Via(Protocol):
    def end(self, text: str) -> None: ...


class Api(Protocol):
    def nothing(self) -> None: ...
    def say(self, text: str | None) -> None: ...
    def num(self, number: int) -> None: ...
    def big(self, number: int) -> None: ...
    def dbl(self, number: float) -> None: ...
    def flag(self, flag: bool) -> None: ...
    def two(self, text: str, number: int) -> None: ...
    def color(self, color: Color) -> None: ...
    def order(self, order: Order) -> None: ...
    def any(self, value: object) -> None: ...
    def names(self, names: list[str]) -> None: ...

    @methods.method_id(5)
    def byId(self, text: str) -> None: ...

    def via(self, name: str) -> Via: ...


def script(api: Any) -> None:
    """The calls of ``Services.script``."""
    api.nothing()
    api.say("hi")
    api.say(None)
    api.num(7)
    api.num(-70_000)
    api.big(1 << 40)
    api.big((1 << 63) - 1)
    api.dbl(1.5)
    api.dbl(1e100)
    api.flag(True)
    api.two("a", 3)
    api.color(Color.GREEN)
    api.order(Order(1, 2.25, "first", 1 << 50, Color.RED, True, ["x", "y"]))
    api.order(BigOrder(id=9, quantity=12))
    api.any(Order(2, -1.0))
    api.any("text")
    api.names(["n1", "n2"])
    api.byId("id")
    api.via("r1").end("e")


def java(value: object) -> str:
    """A value as Java's string concatenation shows it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return {1e100: "1.0E100"}.get(value, str(value))
    return str(value)


class Teller:
    """Tells each call, with the history at that moment, and hands it on."""

    def __init__(self, following: Any = None) -> None:
        self.calls: list[str] = []
        self.next = following
        self.chain: Any = None

    def told(self, *call: object) -> bool:
        history = px.current_history()
        assert history is not None
        sources = "".join(f" {number}={index}" for number, index in history.sources)
        ordered = "ordered" if sorted(history.timings) == list(history.timings) else "disordered"
        self.calls.append(" ".join(map(java, call)) + f" @{sources} #{len(history.timings)} {ordered}")
        return self.next is not None

    def nothing(self) -> None:
        if self.told("nothing"):
            self.next.nothing()

    def say(self, text: str | None) -> None:
        if self.told("say", text):
            self.next.say(text)

    def num(self, number: int) -> None:
        if self.told("num", number):
            self.next.num(number)

    def big(self, number: int) -> None:
        assert type(number) is int
        if self.told("big", number):
            self.next.big(number)

    def dbl(self, number: float) -> None:
        assert type(number) is float
        if self.told("dbl", number):
            self.next.dbl(number)

    def flag(self, flag: bool) -> None:
        if self.told("flag", flag):
            self.next.flag(flag)

    def two(self, text: str, number: int) -> None:
        if self.told("two", text, number):
            self.next.two(text, number)

    def color(self, color: Color) -> None:
        assert isinstance(color, Color)
        if self.told("color", color.name):
            self.next.color(color)

    def order(self, order: Order) -> None:
        more = f",{order.quantity}" if isinstance(order, BigOrder) else ""
        if self.told("order", order.told() + more):
            self.next.order(order)

    def any(self, value: Order | str) -> None:
        if self.told("any", f"Order {value.told()}" if isinstance(value, Order) else value):
            self.next.any(value)

    def names(self, names: list[str]) -> None:
        if self.told("names", "[" + ", ".join(names) + "]"):
            self.next.names(names)

    @methods.method_id(5)
    def byId(self, text: str) -> None:
        if self.told("byId", text):
            self.next.byId(text)

    def via(self, name: str) -> Teller:
        if self.told("via", name):
            self.chain = self.next.via(name)
        return self

    def end(self, text: str) -> None:
        if self.told("end", text):
            self.chain.end(text)
