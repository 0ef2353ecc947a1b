"""The exceptions: families, builtins, messages, pickling."""

import errno
import pickle

import pytest

from pychronix import errors

TYPES = [getattr(errors, name) for name in errors.__all__ if name != "ChronixWarning"]

BUILTINS = {
    "AccessError": PermissionError,
    "AppendLockedError": RuntimeError,
    "BusyError": RuntimeError,
    "ClosedError": ValueError,
    "CodecError": ValueError,
    "CorruptError": ValueError,
    "CycleClosedError": RuntimeError,
    "CycleFullError": OverflowError,
    "EncodingError": ValueError,
    "EndOfDocumentError": EOFError,
    "ForkedError": RuntimeError,
    "IndexRangeError": IndexError,
    "KeyNotFoundError": KeyError,
    "LockedError": TimeoutError,
    "MessageTooLongError": ValueError,
    "NackError": ConnectionError,
    "NotFoundError": FileNotFoundError,
    "NotReadyError": TimeoutError,
    "OutOfMemoryError": MemoryError,
    "ProtocolError": ConnectionError,
    "QueueFullError": OSError,
    "ReadOnlyError": PermissionError,
    "RecordLengthError": ValueError,
    "RemoteError": ConnectionError,
    "ReplicaError": ValueError,
    "SettingsChangedError": RuntimeError,
    "SystemCallError": OSError,
    "UnsupportedFormatError": ValueError,
    "UsageError": ValueError,
    "WireError": ValueError,
}


def test_every_error_is_listed_once():
    defined = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.ChronixError)}
    assert defined | {"ChronixWarning"} == set(errors.__all__)
    assert sorted(errors.__all__) == errors.__all__
    assert set(BUILTINS) | {"ChronixError"} == defined


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_each_error_is_the_fitting_builtin_under_the_one_root(name):
    kind = getattr(errors, name)
    assert issubclass(kind, errors.ChronixError)
    assert issubclass(kind, BUILTINS[name])


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_message_has_what_was_found_where_and_what_to_do(kind):
    error = kind("cannot read excerpt 0x4a: header says 9000 bytes", path="/q/a.cq4", offset=131176, hint="run verify")
    assert str(error) == (
        "cannot read excerpt 0x4a: header says 9000 bytes in /q/a.cq4 at offset 131176; run verify"
    )
    assert error.args == ("cannot read excerpt 0x4a: header says 9000 bytes",)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling(kind):
    error = kind("found 3", path="/q/a.cq4", offset=5, hint="mend it")
    error.extra = 77
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert (again.path, again.offset, again.hint, again.extra) == ("/q/a.cq4", 5, "mend it", 77)
    if isinstance(error, OSError):
        assert (again.errno, again.filename) == (error.errno, "/q/a.cq4")


def test_a_path_in_the_message_is_not_repeated():
    assert str(errors.NotFoundError("no queue at /q", path="/q")) == "no queue at /q"


def test_os_errors_carry_errno():
    assert errors.NotFoundError("x").errno == errno.ENOENT
    assert errors.QueueFullError("x").errno == errno.ENOSPC
    assert errors.QueueFullError("x", errno=errno.EDQUOT).errno == errno.EDQUOT
    assert errors.LockedError("x").errno == errno.ETIMEDOUT
    assert errors.ReadOnlyError("x").errno == errno.EROFS


def test_default_hint_can_be_replaced():
    assert str(errors.ClosedError("the tailer is closed")) == "the tailer is closed; open another one"
    assert str(errors.ClosedError("the tailer is closed", hint="")) == "the tailer is closed"
