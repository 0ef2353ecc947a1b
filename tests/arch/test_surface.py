"""The public surface, pinned: a name comes or goes only together with this list."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import pychronix as px

# fmt: off
PUBLIC = [
    "ROLL_CYCLES", "Appender", "BusyError", "ChronixError", "ChronixWarning", "ClosedError", "CodecError",
    "CorruptError", "Cycle",
    "Direction", "Document", "EncodingError", "EndOfDocumentError", "ExcerptBuffer", "ExcerptReader",
    "IndexRangeError", "Indexes", "LockedError", "MethodReader", "MethodWriter", "NotFoundError", "Queue",
    "QueueFullError", "ReadOnlyError", "RecordLengthError", "RollCycle", "TableStore", "Tailer", "TailerState",
    "Typed", "UnsupportedFormatError", "UsageError", "VanillaCycle", "WireError", "current_history", "decode_text",
    "encode_text", "event_name", "follow", "method_id", "open_queue",
]

OPEN_QUEUE = [
    "path", "mode", "format", "roll", "epoch_ms", "roll_time", "source_id", "block_size_bytes", "index_count",
    "index_spacing", "timeout_ms", "clock", "on_cycle", "codec", "wire_type", "options",
]
# fmt: on

MEMBERS = {
    "Queue": """
        appender chronicle3 close closed codec count cycle_at cycle_of cycle_of_file cycles date_of dialect epoch_ms
        file_name find_match find_range first_cycle first_index format has_padding index index_of last_cycle last_index
        many_writers method_reader method_writer mode path path_of refresh roll_cycle roll_time sequence_of source_id
        start_ms table_store tailer timeout_ms wire_type writable
    """,
    "Appender": """
        append append_at append_document append_event append_many append_map append_padding append_records append_text
        append_value append_values close closed cycle last_index lost_locks normalise_eofs pretouch queue recovered_locks
        sync writing writing_document
    """,
    "Tailer": """
        close closed cycle direction documents index is_meta last_read_index meta move_to_cycle move_to_index name queue
        read read_document read_documents read_many read_records reading seek_date sequence spans state striding to_end
        to_start values views with_index
    """,
    "Cycle": """
        closed count data_format first_index index_count index_spacing last_index name number path ready size_bytes
        start_ms used_bytes
    """,
}


def test_the_names_of_the_package() -> None:
    assert PUBLIC == px.__all__
    assert set() == set(PUBLIC) - set(dir(px))


def test_nothing_else_is_public() -> None:
    modules = {module.name for module in pkgutil.iter_modules(px.__path__)}
    assert set() == {name for name in vars(px) if not name.startswith("_")} - set(PUBLIC) - modules - {"TYPE_CHECKING"}


@pytest.mark.parametrize("name", MEMBERS)
def test_the_members_of(name: str) -> None:
    members = {member for member in dir(getattr(px, name)) if not member.startswith("_")}
    assert sorted(MEMBERS[name].split()) == sorted(members)


def test_the_arguments_of_open_queue() -> None:
    assert OPEN_QUEUE == list(inspect.signature(px.open_queue).parameters)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_explained(name: str) -> None:
    found = getattr(px, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert (found.__doc__ or "").strip()
    if inspect.isclass(found):
        for member, value in vars(found).items():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                assert inspect.getdoc(getattr(found, member)), f"{name}.{member}"


def test_every_error_has_the_root_and_is_listed() -> None:
    errors = importlib.import_module("pychronix.errors")
    kinds = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert [] == [kind for kind in kinds if kind is not px.ChronixWarning and not issubclass(kind, px.ChronixError)]
    assert {kind.__name__ for kind in kinds} == set(errors.__all__)


def test_there_is_a_version() -> None:
    try:
        assert px.__version__.count(".") >= 2
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from a checkout that is not installed")
