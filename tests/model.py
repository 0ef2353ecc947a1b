"""A queue as it ought to be: lists in memory, no file, no index page, no lock.

`ModelQueue` takes the appends that a queue takes, with the same rules for cycles; `ModelTailer` reads it by the rules
of spec 8.2 and 8.3. Tests do the same to both and compare.
"""

from __future__ import annotations

from collections.abc import Iterator

EMPTY = b"\x8f"  # What an empty message is stored as.

FORWARD, BACKWARD = 1, -1


class Full(Exception):
    """The cycle cannot take another message."""


class Closed(Exception):
    """The cycle that the clock names is closed."""


class Beyond(Exception):
    """An index beyond the next one; ``next_index`` is that one."""

    def __init__(self, next_index: int) -> None:
        super().__init__(next_index)
        self.next_index = next_index


class ModelQueue:
    """Messages by cycle. All cycles but the last are closed; the last one is if `last_closed`."""

    def __init__(self, shift: int, capacity: int) -> None:
        self.shift = shift
        self.capacity = capacity
        self.cycles: dict[int, list[bytes]] = {}
        self.last_closed = False

    # Facts.

    @property
    def numbers(self) -> list[int]:
        return sorted(self.cycles)

    @property
    def last(self) -> int:
        """The last cycle, -1 if there is none."""
        return max(self.cycles, default=-1)

    @property
    def total(self) -> int:
        return sum(map(len, self.cycles.values()))

    def messages(self) -> Iterator[tuple[int, bytes]]:
        for cycle in self.numbers:
            for sequence, data in enumerate(self.cycles[cycle]):
                yield self.index(cycle, sequence), data

    def index(self, cycle: int, sequence: int) -> int:
        return (cycle << self.shift) + (sequence & (1 << self.shift) - 1)

    def split(self, index: int) -> tuple[int, int]:
        return index >> self.shift, index & (1 << self.shift) - 1

    def is_closed(self, cycle: int) -> bool:
        return cycle < self.last or self.last_closed

    # Writing.

    def enter(self, clock_cycle: int) -> int:
        """The cycle that an append goes to at this time; it exists then, and those before it are closed."""
        if clock_cycle > self.last:
            self.create(clock_cycle)
        elif self.last_closed:
            raise Closed
        return self.last

    def create(self, cycle: int) -> None:
        assert cycle > self.last
        self.cycles[cycle] = []
        self.last_closed = False

    def append(self, clock_cycle: int, data: bytes) -> int:
        cycle = self.enter(clock_cycle)
        return self._put(cycle, data)

    def append_at(self, index: int, data: bytes) -> bool:
        cycle, sequence = self.split(index)
        if cycle > self.last:
            if sequence > 0:
                raise Beyond(self.index(cycle, 0))  # Nothing is created for it.
            self.create(cycle)
        count = len(self.cycles[cycle])
        if sequence < count:
            return False
        if self.is_closed(cycle):
            raise Closed
        if sequence > count:
            raise Beyond(self.index(cycle, count))
        self._put(cycle, data)
        return True

    def normalise(self, clock_cycle: int, appender_cycle: int | None) -> None:
        limit = clock_cycle if appender_cycle is None else min(clock_cycle, appender_cycle)
        if self.cycles and self.last < limit:
            self.last_closed = True

    def _put(self, cycle: int, data: bytes) -> int:
        messages = self.cycles[cycle]
        if len(messages) >= self.capacity:
            raise Full
        messages.append(data or EMPTY)
        return self.index(cycle, len(messages) - 1)


class ModelTailer:
    """A position in a ModelQueue: None before the first message of an empty queue, else (cycle, sequence).

    `beyond`: read backward beyond the first message, or moved backward to a cycle that does not exist; `lost`: moved
    forward to one that does not exist, which changes nothing.
    """

    def __init__(self, queue: ModelQueue) -> None:
        self.queue = queue
        self.direction = FORWARD
        self.place: tuple[int, int] | None = None
        self.beyond = False
        self.to_start()

    @property
    def index(self) -> int:
        return 0 if self.place is None else self.queue.index(*self.place)

    # Moves.

    def to_start(self) -> None:
        numbers = self.queue.numbers
        if numbers or self.place is None:
            self.place = (numbers[0], 0) if numbers else None
        self.beyond = False

    def to_end(self) -> None:
        cycles = self.queue.cycles
        for cycle in reversed(self.queue.numbers):
            if cycles[cycle]:
                self.place = (cycle, len(cycles[cycle]) - (self.direction == BACKWARD))
                break
        else:
            if cycles:
                self.place = (self.queue.last, 0)
        self.beyond = False

    def move_to_index(self, index: int) -> bool:
        if index < 0:
            return False
        cycle, sequence = self.queue.split(index)
        if not self._has(cycle):
            return False
        self.place, self.beyond = (cycle, sequence), False
        return sequence < len(self.queue.cycles[cycle])

    def move_to_cycle(self, cycle: int) -> bool:
        if not self._has(cycle):
            return False
        self.place, self.beyond = (cycle, 0), False
        return True

    def _has(self, cycle: int) -> bool:
        if cycle in self.queue.cycles:
            return True
        if self.place is not None and self.direction == BACKWARD:
            self.beyond = True
        return False

    def turn(self, direction: int) -> None:
        if self.direction == BACKWARD and direction == FORWARD and self.beyond and self.place is not None:
            # The index is looked up; where it is in no cycle, reading goes on at the start.
            self.beyond = self.place[0] not in self.queue.cycles
        self.direction = direction

    # Reading.

    def read(self) -> tuple[int, bytes] | None:
        return self._read_forward() if self.direction == FORWARD else self._read_backward()

    def _read_forward(self) -> tuple[int, bytes] | None:
        cycles = self.queue.cycles
        if self.beyond or self.place is None:
            self.place = None
            self.to_start()
            if self.place is None:
                return None
        while True:
            cycle, sequence = self.place
            count = len(cycles[cycle])
            if sequence < count:
                self.place = (cycle, sequence + 1)
                return self.queue.index(cycle, sequence), cycles[cycle][sequence]
            later = [number for number in self.queue.numbers if number > cycle]
            if sequence > count or not self.queue.is_closed(cycle) or not later:
                return None
            self.place = (later[0], 0)

    def _read_backward(self) -> tuple[int, bytes] | None:
        cycles = self.queue.cycles
        if self.place is None:
            self.to_start()
            if self.place is None:
                return None
        cycle, sequence = self.place
        if self.beyond:
            if not self._wind_back(cycle + 1):
                return None
        elif sequence > len(cycles[cycle]):
            return None
        elif sequence == len(cycles[cycle]):
            if sequence:
                self.place = (cycle, sequence - 1)
            elif not self._wind_back(cycle):
                return None
        cycle, sequence = self.place
        data = cycles[cycle][sequence]
        if sequence:
            self.place = (cycle, sequence - 1)
        else:
            self._wind_back(cycle)
        return self.queue.index(cycle, sequence), data

    def _wind_back(self, before: int) -> bool:
        """To the last message of the nearest cycle before, if there is one."""
        for cycle in reversed(self.queue.numbers):
            if cycle < before and self.queue.cycles[cycle]:
                self.place, self.beyond = (cycle, len(self.queue.cycles[cycle]) - 1), False
                return True
        self.place, self.beyond = (self.queue.numbers[0] - 1, -1), True
        return False
