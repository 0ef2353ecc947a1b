"""Method writers and readers: calls become events in a queue, and events become calls, as Java's proxies have it.

The decision hidden here is how an interface maps to events and how a message's history travels: ``Queue.method_writer``
makes the one, ``Queue.method_reader`` the other (Java's MethodWriter and MethodReader; spec 8.9 and 9.9).

Rules
- An interface is a class whose public functions are the methods, best a ``typing.Protocol``. The name of a function is the
  name of its event, unless ``event_name`` gives another; ``method_id`` gives a number that is written in its place.
- The messages of one queue with a source id carry a history: where the message came from, and when it was read and
  written on each hop. While a reader calls a handler, the history of that message is the current one of its thread (or
  task), and every writer used inside it passes it on. Times are ``time.monotonic_ns()``, which is Java's
  ``System.nanoTime()`` on Linux.
- A call that raises writes nothing.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from pychronix.errors import UsageError, WireError
from pychronix.wire import History
from pychronix.wire.decoding import parse
from pychronix.wire.encoding import Encoder, encoder_of, event_payload, located, type_hints, write_event
from pychronix.wire.hints import Converter, converter
from pychronix.wire.scalars import Payload
from pychronix.wire.values import MAX_SOURCES

if TYPE_CHECKING:
    from types import TracebackType

    from pychronix.appender import Appender
    from pychronix.tailer import Tailer

__all__ = ["MethodReader", "MethodWriter", "current_history", "event_name", "method_id"]

_EMPTY = History((), ())
_NAME, _ID = "__chronicle_event__", "__chronicle_method_id__"

F = TypeVar("F", bound=Callable[..., Any])
_Encode = Callable[[Payload, tuple[Any, ...], dict[str, Any], "History | None"], None]


class _Hop(NamedTuple):
    """A message in the hands of a reader: its history, from which that of what is written now is made when asked for."""

    before: History
    source: tuple[int, int]  # where it was read
    time: int  # when it was

    def history(self) -> History:
        return History((*self.before.sources, self.source), (*self.before.timings, self.time))


_current: ContextVar[_Hop | None] = ContextVar("pychronix.history", default=None)


def event_name(name: str) -> Callable[[F], F]:
    """Gives a method of an interface or a handler the name of its event: ``@event_name("onOrder")``."""

    if not isinstance(name, str):
        raise TypeError(f"the name of an event is a text, not {name!r}")

    def mark(function: F) -> F:
        setattr(function, _NAME, name)
        return function

    return mark


def method_id(number: int) -> Callable[[F], F]:
    """Gives a method of an interface or a handler its number, written in place of the name. (Java: @MethodId.)

    A number of 32 bits, but not -1, by which message histories are known.
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"a method id is an integer, not {number!r}")
    if number == -1:
        raise UsageError("a method id is not -1: that is the message history's")
    if not -(1 << 31) <= number < 1 << 31:
        raise UsageError(f"a method id is a number of 32 bits: {number}")

    def mark(function: F) -> F:
        setattr(function, _ID, number)
        return function

    return mark


def current_history() -> History | None:
    """The history of the message that a method reader is handling in this thread or task; None outside of a call.

    Its last source is the queue that the message was read from, its last timing when that was. (Java: MessageHistory.get.)
    """
    hop = _current.get()
    return None if hop is None else hop.history()


# Interfaces.


class _Method(NamedTuple):
    """One method of an interface."""

    name: str
    event: str
    number: int | None
    signature: inspect.Signature | None  # None: known by name alone
    encoders: tuple[Encoder, ...] | None  # None: each argument says by itself how it is written
    returns: type | None  # the interface that a chained call goes on with


def _methods(interface: type | str) -> dict[str, _Method]:
    if isinstance(interface, str):
        return {interface: _Method(interface, interface, None, None, None, None)}
    if not isinstance(interface, type):
        raise TypeError(f"an interface is a class or the name of a method, not {type(interface).__name__}")
    found = {name: _method(interface, name) for name in _functions(interface)}
    if not found:
        raise UsageError(f"{interface.__name__} has no public method to write")
    return found


def _functions(cls: type) -> Iterator[str]:
    """The names of a class's public methods, static and class methods among them."""
    for name, function in inspect.getmembers(cls, inspect.isroutine):
        if not name.startswith("_") and inspect.isfunction(inspect.unwrap(getattr(function, "__func__", function))):
            yield name


def _mark(cls: type, name: str, mark: str) -> Any:
    """What a decorator above gave to a method, in this class or one that it derives from; None."""
    for base in cls.__mro__:
        function = vars(base).get(name)
        for marked in (function, getattr(function, "__func__", None)):
            found = getattr(marked, mark, None)
            if found is not None:
                return found
    return None


def _check_runs(function: Any, name: str) -> None:
    """Refuses functions of which a call by itself runs nothing."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    for kind, is_kind in _LAZY.items():
        if is_kind(inspect.unwrap(function)):
            raise UsageError(f"{name}() is {kind}: a method of a queue is called, not awaited or iterated")


_LAZY: dict[str, Callable[[object], bool]] = {
    "a coroutine function": inspect.iscoroutinefunction,
    "an asynchronous generator": inspect.isasyncgenfunction,
    "a generator": inspect.isgeneratorfunction,
}


def _method(interface: type, name: str) -> _Method:
    function = getattr(interface, name)
    _check_runs(function, name)
    signature = inspect.signature(function)
    # A class method comes bound; of a static one no argument is the object.
    bound = inspect.ismethod(function) or isinstance(inspect.getattr_static(interface, name), staticmethod)
    parameters = list(signature.parameters.values())[0 if bound else 1 :]
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY or parameter.kind is parameter.VAR_KEYWORD:
            raise UsageError(f"{name}(): an event has no named arguments, as {parameter.name!r} would be")
    hints = type_hints(function)
    declared = [hints.get(parameter.name) for parameter in parameters]
    returns = hints.get("return")
    chained = returns if isinstance(returns, type) and any(True for _ in _functions(returns)) else None
    event = _mark(interface, name, _NAME)
    return _Method(
        name,
        name if event is None else event,
        _mark(interface, name, _ID),
        signature.replace(parameters=parameters),
        None
        if all(any(hint is one for one in _SCALARS) for hint in declared)
        else tuple(encoder_of(hint, argument=True) for hint in declared),
        chained,
    )


# What is written by its value alone, whether it is declared or not.
_SCALARS = (None, int, float, str, bytes, bool)


# Writing.


class MethodWriter:
    """Writes each call as an event; ``Queue.method_writer`` makes it. Its methods are those of its interfaces.

    A call returns the index of its message. A method whose hint says that it returns an interface begins a chain: the
    message is written when a method that returns nothing ends it (``writer.via("r1").say("hi")``); a chain that is not
    ended writes nothing. ``with`` closes the appender; so does closing the queue. One thread at a time.
    """

    def __init__(
        self,
        appender: Appender,
        interfaces: Iterable[type | str],
        *,
        generic_event: str | None = None,
        use_method_ids: bool = True,
        wall_clock: bool = False,
    ) -> None:
        methods: dict[str, _Method] = {}
        for interface in interfaces:
            methods |= _methods(interface)
        _check_distinct(
            (method.number if use_method_ids else None, method.event, name) for name, method in methods.items()
        )
        if not methods:
            raise UsageError("a method writer needs an interface, or the names of its methods")
        if generic_event is not None and generic_event not in methods:
            raise UsageError(f"the generic event {generic_event!r} is none of the methods: {', '.join(methods)}")
        self._appender = appender
        self._generic_event = generic_event
        self._use_method_ids = use_method_ids
        self._clock = time.time_ns if wall_clock else time.monotonic_ns
        self._records_history = bool(appender.queue.source_id)
        self._wire_type = appender.queue.wire_type or "BINARY_LIGHT"
        self._chains: dict[type, dict[str, _Method]] = {}
        self._names = tuple(methods)
        callers = {name: self._caller(method) for name, method in methods.items()}
        for name in callers:
            if hasattr(self, name):
                raise UsageError(f"a method writer cannot have a method {name!r}", hint="give it with event_name")
        # Attributes of the instance: looked up once, as fast as functions.
        vars(self).update(callers)

    def __enter__(self) -> MethodWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._appender.close()

    def __repr__(self) -> str:
        return f"<MethodWriter of {self._appender.queue.path!r}: {', '.join(self._names)}>"

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"this method writer has no method {name!r}; it has {', '.join(self._names)}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a method writer cannot be pickled: it belongs to an open queue")

    def _caller(self, method: _Method) -> Callable[..., Any]:
        encode, event, count = self._encoder(method), self._event(method), _count(method)
        append, history = self._appender._append_encoded, self._history
        wire_type, following = self._wire_type, method.returns
        # The usual call, in as few frames as it can be: all arguments by their place, and no history.
        plain = method.encoders is None and method.name != self._generic_event and not self._records_history

        def begin(*arguments: Any, **named: Any) -> _Chain:
            assert following is not None
            payload = Payload(wire_type)
            encode(payload, arguments, named, history())
            return _Chain(self, following, payload)

        def call(*arguments: Any, **named: Any) -> int:
            if plain and not named and (count < 0 or len(arguments) == count):
                return append(event_payload(event, arguments, None, None, wire_type), False)
            payload = Payload(wire_type)
            encode(payload, arguments, named, history())
            return append(payload, False)

        return call if following is None else begin

    def _event(self, method: _Method) -> str | int:
        return method.event if method.number is None or not self._use_method_ids else method.number

    def _encoder(self, method: _Method) -> _Encode:
        """What writes the event of a call into a payload."""
        event, count = self._event(method), _count(method)
        signature, declared = method.signature, method.encoders
        generic = method.name == self._generic_event

        def encode(
            payload: Payload, arguments: tuple[Any, ...], named: dict[str, Any], history: History | None
        ) -> None:
            if signature is not None and (named or len(arguments) != count):
                bound = signature.bind(*arguments, **named)
                bound.apply_defaults()
                arguments = bound.args
            elif named:
                raise TypeError(f"{method.name}() takes no named arguments")
            encoders = declared if len(arguments) == count else None
            name = event
            if generic:
                if not arguments:
                    raise TypeError(f"{method.name}() takes the name of the event first")
                name, arguments, encoders = str(arguments[0]), arguments[1:], encoders and encoders[1:]
            try:
                write_event(payload, name, arguments, encoders, history)
            except (WireError, RecursionError) as cause:
                raise located(cause) from None

        return encode

    def _history(self) -> History | None:
        """The history to prepend to a message, with the time of now."""
        if not self._records_history:
            return None
        hop = _current.get()
        history = _EMPTY if hop is None else hop.history()
        return History(history.sources, (*history.timings, self._clock()))

    def _chain(self, interface: type) -> dict[str, _Method]:
        methods = self._chains.get(interface)
        if methods is None:
            methods = self._chains[interface] = _methods(interface)
        return methods


def _check_distinct(known: Iterable[tuple[int | None, str, str]]) -> None:
    """Refuses two methods with one event: which of them is meant could not be told. (number, event, name) of each."""
    names: dict[str | int, str] = {}
    for number, event, name in known:
        other = names.setdefault(event if number is None else number, name)
        if other != name:
            raise UsageError(f"{other}() and {name}() have the same event: {event if number is None else number!r}")


def _count(method: _Method) -> int:
    """How many arguments it takes; -1 where any number is right, or that is not known."""
    if method.signature is None:
        return -1
    parameters = method.signature.parameters.values()
    return len(parameters) if all(map(_is_positional, parameters)) else -1


def _is_positional(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)


class _Chain:
    """A message begun by a method that returns an interface: its methods go on with it or end it."""

    def __init__(self, writer: MethodWriter, interface: type, payload: Payload) -> None:
        self._writer = writer
        self._interface = interface
        self._payload = payload
        self._length = len(payload.data)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        methods = self._writer._chain(self._interface)
        method = methods.get(name)
        if method is None:
            raise AttributeError(f"{self._interface.__name__} has no method {name!r}; it has {', '.join(methods)}")
        encode = self._writer._encoder(method)

        def call(*arguments: Any, **named: Any) -> Any:
            payload, length = self._payload, self._length
            if len(payload.data) != length:
                raise UsageError(f"{name}(): this chain has gone on already, begin another")
            try:
                encode(payload, arguments, named, None)
            except BaseException:
                payload.truncate(length)
                payload.depth = 0
                raise
            if method.returns is None:
                return self._writer._appender._append_encoded(payload, False)
            return _Chain(self._writer, method.returns, payload)

        return call


# Reading.


class _Target(NamedTuple):
    """A method of a handler: what it is called with, converted to the hints of its parameters."""

    call: Callable[..., Any]
    converters: tuple[Converter, ...]
    least: int  # the fewest arguments that it takes
    rest: Converter | None  # of all arguments beyond those; None: it takes no more


class MethodReader:
    """Calls the methods of handlers for the events of a queue; ``Queue.method_reader`` makes it.

    ``read_one`` handles one message; iterating handles all there are and yields the index of each. A message that a
    handler raised for counts as read. One thread at a time.
    """

    def __init__(
        self,
        tailer: Tailer,
        handlers: Iterable[object],
        *,
        interface: type | None = None,
        default: Callable[[str | int, Any], object] | None = None,
        metadata: object | None = None,
        scanning: bool = False,
        wall_clock: bool = False,
    ) -> None:
        self._tailer = tailer
        if interface is not None and not isinstance(interface, type):
            raise TypeError(f"an interface is a class, not {type(interface).__name__}")
        self._targets: _Targets = {}
        for handler in handlers:
            self._targets = _targets(handler, interface) | self._targets  # The first that knows an event is called.
        if not self._targets and default is None:
            raise UsageError("a method reader needs a handler")
        if default is not None:
            _check_callable(default, "default")
        self._metadata = None if metadata is None else _targets(metadata, None)
        self._default = default
        self._scanning = scanning
        self._clock = time.time_ns if wall_clock else time.monotonic_ns
        self._source_id = tailer.queue.source_id or 0
        self._chained: dict[type, _Plan] = {}
        if metadata is not None:
            tailer.meta = True

    # Reading.

    def read_one(self) -> bool:
        """Handles the next message; False at the end. True also for one that no handler knows.

        With ``scanning``, messages that no handler knows are passed over, and False means that there was no other.
        Raises what a handler raises, and WireError (with the index) for a message that is no Wire or whose arguments are
        not what the hints of a handler say.
        """
        tailer = self._tailer
        while True:
            payload = tailer.read()
            if payload is None:
                return False
            index = tailer.last_read_index
            if index is None:
                index = self._last_index()
            if tailer.is_meta:
                known = self._metadata is not None and self._handle(payload, index, self._metadata, None)
            else:
                known = self._handle(payload, index, self._targets, self._default)
            if known or not self._scanning:
                return True

    def __iter__(self) -> Iterator[int]:
        """Handles the messages up to the present end and yields the index of each. May be iterated again later."""
        while self.read_one():
            yield self._last_index()

    def _last_index(self) -> int:
        """Of the message last read; of metadata, which has none, that of the message before it or at the start after it."""
        index = self._tailer.last_read_index
        return self._tailer.index if index is None else index

    @property
    def tailer(self) -> Tailer:
        """The tailer that is read from: its position is the reader's."""
        return self._tailer

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._tailer.closed

    def close(self) -> None:
        """Closes the tailer."""
        self._tailer.close()

    def __enter__(self) -> MethodReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        place = "closed" if self.closed else f"at {self._tailer.index:#x}"
        return f"<MethodReader of {self._tailer.queue.path!r}, {place}>"

    def _handle(
        self,
        payload: bytes,
        index: int,
        targets: _Targets,
        default: Callable[[str | int, Any], object] | None,
    ) -> bool:
        """Whether a handler knew an event of the message."""
        try:
            content = parse(payload)
        except WireError as error:
            raise _at(error, index) from None
        before = content.history or _EMPTY
        if len(before.sources) >= MAX_SOURCES:
            raise _at(WireError(f"the message history has no room for a source after its {len(before.sources)}"), index)
        token = _current.set(_Hop(before, (self._source_id, index), self._clock()))
        known = False
        context: object = None
        try:
            for name, value in content.items if content.named else ():
                try:
                    target = None if context is None else self._of_context(context, name)
                    if target is None:
                        target = targets.get(name)
                except TypeError:  # An event whose key is a mapping or a sequence.
                    target = None
                if target is not None:
                    known = True
                    context = target.call(*self._arguments(name, value, target, index))
                elif default is not None:
                    known = True
                    default(name, value)
        finally:
            _current.reset(token)
        return known

    def _of_context(self, context: object, name: str | int) -> _Target | None:
        """The method of what the last handler returned, if that has one for this event: a chained call."""
        cls = type(context)
        plan = self._chained.get(cls)
        if plan is None:
            plan = self._chained[cls] = _plan(cls, None)
        method = plan.get(name)
        return None if method is None else _target(getattr(context, method), method)

    def _arguments(self, name: object, value: Any, target: _Target, index: int) -> list[Any]:
        """The arguments of the call. No argument and one empty text look alike; two, and one list of two, too."""
        _, converters, least, rest = target
        count = len(converters)
        if count > 1 and type(value) is list and len(value) == count:
            try:  # The usual case, without a question more.
                return [convert(item) for convert, item in zip(converters, value, strict=True)]
            except WireError:
                pass  # Below it is found out which it was.
        if rest is None and count < 2:
            given = [value][:count]
        elif value == "" and least == 0:
            given = []
        elif type(value) is list and (rest is not None or least > 1 or len(value) <= count):
            given = value
        else:
            given = [value]
        if not least <= len(given) <= (count if rest is None else len(given)):
            raise _at(
                WireError(f"event {name!r} has {len(given)} arguments, its handler takes {least or count}"), index
            )
        if rest is not None:
            converters += (rest,) * (len(given) - count)
        arguments: list[Any] = []
        try:
            for convert, item in zip(converters, given, strict=False):  # What is not given has a default.
                arguments.append(convert(item))
        except WireError as error:
            if value == "" and least == 0 and rest is None:
                return []  # No argument, then: it has a default.
            message = f"event {name!r}, argument {len(arguments) + 1}: {error.message}"
            raise _at(WireError(message), index) from error
        return arguments


def _at(error: WireError, index: int) -> WireError:
    error.index = index
    error.message += f" (index {index:#x})"
    return error


# Handlers.

_Targets = dict["str | int", _Target]
_Plan = dict["str | int", str]  # event -> name of the method


def _targets(handler: object, interface: type | None) -> _Targets:
    """The methods of one handler, by name and by number."""
    if isinstance(handler, Mapping):
        for event, function in handler.items():
            if not isinstance(event, str | int):
                raise TypeError(f"an event is a name or a method id, not {event!r}")
            _check_callable(function, str(event))
        return {event: _target(function, str(event)) for event, function in handler.items()}
    if isinstance(handler, type):
        raise TypeError(f"a handler is an object, not the class {handler.__name__}")
    plan = _plan(type(handler), interface)
    if not plan:
        shown = "" if interface is None else f" of {interface.__name__}"
        raise UsageError(f"a handler of type {type(handler).__name__} has no public method{shown}")
    for name in plan.values():
        _check_callable(getattr(handler, name), name)
    made = {name: _target(getattr(handler, name), name) for name in dict.fromkeys(plan.values())}
    return {event: made[name] for event, name in plan.items()}


def _plan(cls: type, interface: type | None) -> _Plan:
    """The events that a class has methods for; with an interface, the methods of that."""
    plan: _Plan = {}
    wanted = None if interface is None else set(_functions(interface))
    for name in _functions(cls):
        if wanted is not None and name not in wanted:
            continue
        for source in (cls,) if interface is None else (interface, cls):
            event, number = _mark(source, name, _NAME), _mark(source, name, _ID)
            for key in (name if event is None else event, number):
                if key is not None and plan.setdefault(key, name) != name:
                    raise UsageError(f"{plan[key]}() and {name}() of {cls.__name__} have the same event: {key!r}")
    return plan


def _check_callable(function: object, name: str) -> None:
    if not callable(function):
        raise TypeError(f"a handler's method is callable, not {type(function).__name__}")
    _check_runs(function, name)


def _target(function: Callable[..., Any], name: str) -> _Target:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # Some functions written in C do not tell: they get what there is.
        return _Target(function, (), 0, converter(Any))
    hints = type_hints(function)
    taken: list[Converter] = []
    least, rest = 0, None
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise UsageError(f"{name}(): an event has no named arguments, as {parameter.name!r} is")
        if _is_positional(parameter):
            taken.append(converter(hints.get(parameter.name, Any)))
            least += parameter.default is parameter.empty
        elif parameter.kind is parameter.VAR_POSITIONAL:
            rest = converter(hints.get(parameter.name, Any))
    return _Target(function, tuple(taken), least, rest)
