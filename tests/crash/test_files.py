"""Files that shrink, disks that fill up, directories that may not be written: an exception each time, never a signal.

Whatever is tried here happens in a process of its own (`program`), whose exit by SIGBUS would be the finding.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_program import Program
from fix_java import JavaPeer

import pychronix as px
from pychronix import inspect
from pychronix.formats import cq5

T0_MS = 1_709_635_062_500

# --- truncation ------------------------------------------------------------------------------------------------------

READS = {
    "read": "iter(tailer.read, None)",
    "iterate": "iter(tailer)",
    "with_index": "(data for _, data in tailer.with_index())",
    "read_many": "(data for data in iter(lambda: tailer.read_many(10), []) for data in data)",
    # A batch is copied at once: its memoryview is the file, and shows zeros where that was cut off.
    "spans": "(b for s in tailer.spans(50) for b in [bytes(s.data[i:j]) for i, j in zip(s.starts, s.stops)])",
    "seek": "(tailer.read() for i in range(6000) if tailer.move_to_index(first + i))",
}


@pytest.mark.parametrize("pause", [0, 30], ids=["at-once", "later"])
@pytest.mark.parametrize("how", READS)
def test_a_roll_file_cut_short_under_a_tailer(tmp_path: Path, program: Program, how: str, pause: int) -> None:
    """What is gone reads as the end of the data, or as damage."""
    program(
        f"""
messages = [b"%06d" % i + bytes(range(256)) * (i % 3) for i in range(6000)]
for number, share in enumerate((0, 0.0001, 0.3, 0.5, 0.9)):
    directory = path / str(number)
    with px.open_queue(directory, "a", roll="DAILY", block_size_bytes=1 << 20) as queue, queue.appender() as appender:
        first = appender.append_many(messages).first
        (cycle,) = queue.cycles()
        file, used = cycle.path, cycle.used_bytes
    with px.open_queue(directory) as queue:
        tailer = queue.tailer()
        other = queue.tailer(start="end", direction="backward")
        assert other.read() == messages[-1]
        got = []
        try:
            for data in {READS[how]}:
                got.append(data)
                if len(got) == 200:
                    os.truncate(file, int(used * share))
                    time.sleep({pause} / 1000)
        except errors.CorruptError as error:
            assert error.path == file, error
        assert got == messages[: len(got)] and 200 <= len(got) < len(messages), len(got)
        for call in (tailer.read, tailer.to_end, tailer.to_start, tailer.read, other.read, lambda: list(other),
                     lambda: queue.count(), lambda: queue.last_index, lambda: queue.cycles()[0].count,
                     lambda: tailer.move_to_index(first + 5990), tailer.read, lambda: list(queue.tailer())):
            with contextlib.suppress(errors.CorruptError, errors.NotReadyError):
                call()
    for mode in ("r", "a"):
        with contextlib.suppress(errors.CorruptError, errors.NotReadyError):
            with px.open_queue(directory, mode, timeout_ms=50) as queue:
                list(queue.tailer())
""",
        tmp_path,
    )


@pytest.mark.parametrize("pause", [0, 30], ids=["at-once", "later"])
@pytest.mark.parametrize("what", ["append(b'x' * 500)", "append_many([b'x' * 500] * 40)", "_append_meta(b'meta')"])
def test_a_roll_file_cut_short_under_an_appender(tmp_path: Path, program: Program, what: str, pause: int) -> None:
    program(
        f"""
for number, share in enumerate((0, 0.0001, 0.3, 0.5, 0.9)):
    directory = path / str(number)
    with px.open_queue(directory, "a", roll="DAILY", block_size_bytes=1 << 20, timeout_ms=50) as queue:
        with queue.appender() as appender:
            first = appender.append_many([b"%06d" % i * 50 for i in range(3000)]).first
            (cycle,) = queue.cycles()
            file, used = cycle.path, cycle.used_bytes
            os.truncate(file, int(used * share))
            time.sleep({pause} / 1000)
            raises(errors.CorruptError, appender.{what.replace("(", ", ", 1)}
            # Once the damage is known the file is opened anew, and an empty one is initialised, as Java does (spec 7.8).
            for _ in range(2 * (share > 0)):
                raises((errors.CorruptError, errors.NotReadyError), appender.{what.replace("(", ", ", 1)}
            assert queue.table_store["chronicle.write.lock"] == -1 << 63
            with contextlib.suppress(errors.CorruptError, errors.NotReadyError):
                queue.appender().append(b"another")
            with contextlib.suppress(errors.CorruptError, errors.NotReadyError):
                appender.sync()
            with contextlib.suppress(errors.CorruptError, errors.NotReadyError):
                appender.pretouch()
            with contextlib.suppress(errors.CorruptError, errors.NotReadyError):
                appender.normalise_eofs()
""",
        tmp_path,
    )


def test_roll_files_cut_at_random_moments_while_others_read_and_append(
    tmp_path: Path, program: Program, budget
) -> None:
    program(
        """
import random, subprocess
rng = random.Random(int(sys.argv[2]))
kinds = (errors.CorruptError, errors.NotReadyError, errors.CycleClosedError)
for number in range(int(sys.argv[3])):
    directory = path / str(number)
    with px.open_queue(directory, "a", roll="DAILY", block_size_bytes=1 << 20, timeout_ms=20) as queue:
        with queue.appender() as appender:
            appender.append_many([b"%06d" % i * 50 for i in range(2000)])
        (cycle,) = queue.cycles()
        file, used = cycle.path, cycle.used_bytes
        stop = threading.Event()
        strange = []
        def read():
            tailer = queue.tailer()
            while not stop.is_set():
                try:
                    tailer.to_start()
                    list(tailer)
                    tailer.to_end()
                except kinds:
                    time.sleep(0.0005)
                except BaseException as error:
                    strange.append(error)
                    return
        def append():
            with queue.appender() as appender:
                while not stop.is_set():
                    try:
                        appender.append(b"y" * 300)
                    except kinds:
                        time.sleep(0.0005)
                    except BaseException as error:
                        strange.append(error)
                        return
        workers = [threading.Thread(target=read), threading.Thread(target=append)]
        for worker in workers:
            worker.start()
        time.sleep(rng.random() * 0.01)
        os.truncate(file, rng.choice([0, 100, 4096, 70000, used // 2, used - 300]))
        time.sleep(0.02)
        stop.set()
        for worker in workers:
            worker.join(20)
            assert not worker.is_alive()
        assert not strange, strange
""",
        tmp_path,
        os.environ.get("PYCHRONIX_STRESS_SEED", "1"),
        budget.of(10, 100, 1000),
    )


def test_a_table_store_cut_short_under_an_open_queue(tmp_path: Path, program: Program) -> None:
    program(
        """
for number, size in enumerate((0, 3, 300, 4096)):
    directory = path / str(number)
    with px.open_queue(directory, "a", timeout_ms=50) as queue, queue.appender() as appender:
        appender.append(b"x")
        tailer = queue.tailer("named")
        table = directory / "metadata.cq4t"
        os.truncate(table, size)
        time.sleep(0.03)
        kinds = (errors.ChronixError,)
        for call in (lambda: appender.append(b"y"), lambda: dict(queue.table_store), tailer.read, queue.refresh,
                     lambda: queue.tailer("other"), queue.appender, lambda: queue.cycles(), lambda: queue.last_index,
                     appender.sync, tailer.to_start):
            with contextlib.suppress(*kinds):
                call()
    for mode in ("r", "a", "r+"):
        with contextlib.suppress(errors.ChronixError):
            px.open_queue(directory, mode, timeout_ms=50).close()
""",
        tmp_path,
    )


def test_roll_files_deleted_under_readers_and_writers(tmp_path: Path, program: Program) -> None:
    program(
        """
now = [1_709_635_062_500_000_000]
with px.open_queue(path, "a", roll="TEST4_DAILY", clock=lambda: now[0]) as queue, queue.appender() as appender:
    tailer = queue.tailer()
    for day in range(6):
        appender.append_many([b"%d %d" % (day, i) for i in range(10)])
        now[0] += 86_400_000_000_000
    assert [tailer.read() for _ in range(5)] == [b"0 %d" % i for i in range(5)]
    files = [cycle.path for cycle in queue.cycles()]
    for file in files[1:3] + files[5:]:
        os.unlink(file)
    queue.refresh()
    rest = list(tailer)
    assert rest[:5] == [b"0 %d" % i for i in range(5, 10)] and rest[-1] == b"4 9", rest
    index = appender.append(b"goes on")
    assert list(queue.tailer())[-1] == b"goes on"
    assert index == queue.last_index
""",
        tmp_path / "q",
    )


# --- full disks ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of some MB, mounted; skipped where that is not allowed."""
    where = Path(tempfile.mkdtemp(prefix="pychronix-full-"))
    image = tmp_path / "image"
    if request.param == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(where)]
    else:
        image.touch()
        os.truncate(image, 8 << 20)
        mount = ["mount", "-o", "loop", str(image), str(where)]
        make = shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
        if make is None:
            pytest.skip("no mkfs.ext4")
        subprocess.run([make, "-q", "-m", "0", "-O", "^has_journal", str(image)], check=True, timeout=60)
    done = subprocess.run(mount, capture_output=True, text=True, timeout=60) if os.geteuid() == 0 else None
    if done is None or done.returncode != 0:
        where.rmdir()
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip() if done else 'not root'}")
    try:
        yield where
    finally:
        done = subprocess.run(["umount", str(where)], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            subprocess.run(["umount", "-l", str(where)], check=True, timeout=60)
        where.rmdir()
        image.unlink(missing_ok=True)
    assert done.returncode == 0, f"the small disk is still in use: {done.stderr}"


_FULL = """
def leave(kib):
    '''Fills the disk but for so many KiB.'''
    filler = path / "filler"
    with open(filler, "ab", buffering=0) as file:
        block = bytes(1 << 16)
        while block:
            try:
                while True:
                    file.write(block)
            except OSError as error:
                assert error.errno == errno.ENOSPC
            block = block[: len(block) // 2] if len(block) > 512 else b""
        os.truncate(filler, max(0, os.path.getsize(filler) - kib * 1024))

def space():
    (path / "filler").unlink(missing_ok=True)

now = [1_709_635_062_500_000_000]
def opened(directory, mode="a"):
    return px.open_queue(directory, mode, roll="TEST8_DAILY", block_size_bytes=1 << 16, clock=lambda: now[0])

def read_in_every_way(queue, acked):
    assert list(queue.tailer().with_index()) == acked
    assert list(queue.tailer(start="end", direction="backward").with_index()) == acked[::-1]
    assert [bytes(view) for view in queue.tailer().views()] == [data for _, data in acked]
    tailer = queue.tailer()
    for index, data in acked[::7]:
        assert tailer.move_to_index(index) and tailer.read() == data
    if acked:
        assert queue.last_index == acked[-1][0]
        for beyond in (1, 2, 5, 9, 1000, 10_000, 100_000):
            assert not tailer.move_to_index(acked[-1][0] + beyond)
        assert queue.count() == len(acked)
"""


def test_a_full_disk_at_every_stage(
    small_disk: Path, program: Program, budget, request: pytest.FixtureRequest
) -> None:
    """QueueFullError each time, nothing lost, and once there is room again both we and Java go on."""
    stages = budget.of([0, 4, 8, 12, 20, 40, 100], [*range(0, 64, 4), 80, 100, 120, 160, 260, 520], range(0, 600, 4))
    program(
        _FULL
        + """
for kib in map(int, sys.argv[2].split(",")):
    directory = path / f"q{kib}"
    acked = []
    leave(kib)
    queue = None
    try:
        queue = opened(directory)
        appender = queue.appender()
        number = 0
        while True:
            data = b"%06d" % number * (1 + number % 99)
            if number % 5:
                acked.append((appender.append(data), data))
                number += 1
            else:
                try:
                    acked.extend((index, data) for index in appender.append_many([data] * 7))
                except errors.ChronixError as error:
                    acked.extend((index, data) for index in error.appended)
                    raise
                number += 7
    except errors.QueueFullError as error:
        assert error.errno == errno.ENOSPC, error
    if queue is not None:
        for _ in range(2):
            raises(errors.QueueFullError, appender.append, b"z" * 9000)
        read_in_every_way(queue, acked)
        if acked:
            with contextlib.suppress(errors.QueueFullError):
                queue.tailer("named").read()
            with opened(directory, "r") as reader:
                read_in_every_way(reader, acked)
            # A roll needs more room than there is.
            leave(0)
            now[0] += 86_400_000_000_000
            try:
                acked.append((appender.append(b"roll"), b"roll"))
            except errors.QueueFullError:
                pass
            read_in_every_way(queue, acked)
            assert queue.table_store["chronicle.write.lock"] == -1 << 63
        space()
        acked.append((appender.append(b"room"), b"room"))
        read_in_every_way(queue, acked)
        queue.close()
    space()
    with opened(directory) as queue, queue.appender() as appender:
        acked.append((appender.append(b"again"), b"again"))
        read_in_every_way(queue, acked)
    report = inspect.verify(directory)
    assert report.ok and not set(report.kinds) - {"orphan-page", "garbage-after-data", "garbage-after-eof"}, report
    print(directory, now[0] // 1_000_000, flush=True)
    import shutil
    kept = Path(sys.argv[3]) / directory.name
    shutil.copytree(directory, kept)
    shutil.rmtree(directory)
    now[0] += 86_400_000_000_000
""",
        small_disk,
        ",".join(map(str, stages)),
        small_disk.parent / f"{small_disk.name}-kept",
        deadline_s=200,
    )
    kept = small_disk.parent / f"{small_disk.name}-kept"
    try:
        java: JavaPeer = request.getfixturevalue("java")  # Only now: without Java the part above is still tested.
        for directory in sorted(kept.iterdir()):
            with px.open_queue(directory) as queue:
                ours = list(queue.tailer().with_index())
                clock_ms = queue.start_ms(queue.last_cycle or 0)
            with java.open(directory, clock_ms=clock_ms) as queue:
                assert [(excerpt.index, excerpt.data) for excerpt in queue.dump()] == ours
                assert queue.appender().append(b"Java") == ours[-1][0] + 1
            assert inspect.verify(directory).ok
    finally:
        shutil.rmtree(kept)


@pytest.mark.java
def test_java_and_we_share_a_full_disk(small_disk: Path, program: Program, java: JavaPeer) -> None:
    """Java's own files are full of holes; reading them on a full tmpfs must not need a page (which it has not)."""
    queue_path = small_disk / "q"
    with java.open(queue_path, roll="TEST8_DAILY", clock_ms=T0_MS, block_size=1 << 16) as queue:
        queue.appender().generate(1, 700, sizes="10-90")
        expected = [(excerpt.index, excerpt.data) for excerpt in queue.dump()]
    said = program(
        _FULL
        + f"""
leave(0)
now[0] = {T0_MS} * 1_000_000
for mode in ("r", "a"):
    with opened(path / "q", mode) as queue:
        tailer = queue.tailer()
        acked = list(tailer.with_index())
        read_in_every_way(queue, acked)
        assert tailer.read() is None
        if mode == "a":
            try:
                with queue.appender() as appender:
                    while True:
                        acked.append((appender.append(b"ours" * 100), b"ours" * 100))
            except errors.QueueFullError:
                pass
            read_in_every_way(queue, acked)
            print(len(acked))
space()
with opened(path / "q") as queue, queue.appender() as appender:
    appender.append(b"ours at last")
""",
        small_disk,
    )
    with java.open(queue_path, clock_ms=T0_MS, block_size=1 << 16) as queue:
        dump = [(excerpt.index, excerpt.data) for excerpt in queue.dump()]
        assert dump[: len(expected)] == expected
        assert dump[-1][1] == b"ours at last" and len(dump) == int(said) + 1
        queue.appender().append(b"Java at last")
    report = inspect.verify(queue_path)
    assert report.ok and report.messages == len(dump) + 1, str(report)


def test_a_limit_of_the_file_size(tmp_path: Path, program: Program) -> None:
    program(
        """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
acked = []
with px.open_queue(path, "a", roll="DAILY", block_size_bytes=1 << 18) as queue, queue.appender() as appender:
    try:
        while True:
            acked.append(appender.append(b"x" * 1000))
    except errors.QueueFullError as error:
        assert error.errno == errno.EFBIG, error
    assert [index for index, _ in queue.tailer().with_index()] == acked and acked
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert appender.append(b"x" * 1000) == acked[-1] + 1
assert inspect.verify(path).clean
""",
        tmp_path / "q",
    )


def test_too_little_address_space(tmp_path: Path, program: Program) -> None:
    """Windows get smaller, or OutOfMemoryError comes; what was appended stays readable."""
    program(
        """
import resource
with px.open_queue(path, "a") as queue, queue.appender() as appender:
    appender.append(b"before")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    for more in (2 << 30, 600 << 20, 300 << 20, 100 << 20, 40 << 20, 20 << 20):
        resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
        try:
            with px.open_queue(path, "a") as other, other.appender() as another:
                another.append(b"%d" % more)
                list(other.tailer())
        except (errors.OutOfMemoryError, MemoryError):
            pass
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    appender.append(b"after")
    found = list(queue.tailer())
    assert found[0] == b"before" and found[-1] == b"after"
""",
        tmp_path / "q",
    )


# --- permissions -----------------------------------------------------------------------------------------------------


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Path]:
    """A directory that every user reaches."""
    where = Path(tempfile.mkdtemp(prefix="pychronix-public-"))
    where.chmod(0o755)
    yield where
    shutil.rmtree(where)


_NOBODY = """
now = [1_709_635_062_500_000_000]
with px.open_queue(path, "a", roll="TEST4_DAILY", clock=lambda: now[0]) as queue, queue.appender() as appender:
    appender.append_many([b"%d" % i for i in range(50)])
    now[0] += 86_400_000_000_000
    appender.append(b"next day")
files = sorted(path.glob("*.cq4"))
table = path / "metadata.cq4t"
if os.geteuid() == 0:
    for file in (path, table, *files):
        os.chown(file, 65534, 65534)
def as_nobody(run):
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            run()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 0, code
def modes(directory, table_mode, first, last):
    for file, mode in ((path, directory), (table, table_mode), (files[0], first), (files[1], last)):
        file.chmod(mode)
before = {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in (table, *files)}
"""


def test_a_read_only_directory_is_read_and_not_touched(public: Path, program: Program) -> None:
    program(
        _NOBODY
        + """
modes(0o555, 0o444, 0o444, 0o444)
def run():
    with px.open_queue(path) as queue:
        assert len(list(queue.tailer())) == 51
        assert len(list(queue.tailer(start="end", direction="backward"))) == 51
        assert queue.count() == 51
        raises(errors.ReadOnlyError, queue.appender)
        raises(errors.ReadOnlyError, queue.table_store.compare_and_set, "listing.modCount", 1, 2)
        queue.refresh()
    for mode in ("a", "r+"):
        error = raises(errors.AccessError, px.open_queue, path, mode)
        assert error.errno == errno.EACCES and error.path, error
    raises(errors.AccessError, px.open_queue, path / "sub", "a")
as_nobody(run)
assert {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in before} == before
""",
        public / "q",
    )


def test_each_file_and_directory_without_permission(public: Path, program: Program) -> None:
    program(
        _NOBODY
        + """
def denied(mode, call=lambda queue: list(queue.tailer())):
    def run():
        def opened():
            with px.open_queue(path, mode, clock=lambda: now[0]) as queue:
                call(queue)
        error = raises(errors.AccessError, opened)
        assert error.errno == errno.EACCES and error.path, error
        assert isinstance(error, PermissionError)
    as_nobody(run)
modes(0o000, 0o644, 0o644, 0o644)
denied("r"), denied("a")
modes(0o755, 0o000, 0o644, 0o644)
denied("r"), denied("a")
modes(0o755, 0o644, 0o644, 0o000)
denied("r"), denied("a", lambda queue: queue.appender().append(b"x"))
modes(0o755, 0o644, 0o644, 0o444)
denied("a", lambda queue: queue.appender().append(b"x"))
# A cycle cannot be created; the queue goes on once it can.
modes(0o555, 0o644, 0o644, 0o644)
now[0] += 86_400_000_000_000
def run():
    with px.open_queue(path, "a", clock=lambda: now[0]) as queue, queue.appender() as appender:
        raises(errors.AccessError, appender.append, b"x")
        assert queue.table_store["chronicle.write.lock"] == -1 << 63
        path.chmod(0o755)
        appender.append(b"x")
        assert len(list(queue.tailer())) == 52
as_nobody(run)
assert inspect.verify(path).ok
""",
        public / "q",
    )


def test_a_read_only_file_system(program: Program, public: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("cannot mount: not root")
    disk = public / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, timeout=60).returncode != 0:
        pytest.skip("cannot mount a tmpfs")
    try:
        with px.open_queue(disk / "q", "a") as queue, queue.appender() as appender:
            appender.append(b"x")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=60)
        program(
            """
with px.open_queue(path) as queue:
    assert list(queue.tailer()) == [b"x"]
for mode in ("a", "r+"):
    error = raises(errors.AccessError, px.open_queue, path, mode)
    assert error.errno == errno.EROFS, error
""",
            disk / "q",
        )
    finally:
        subprocess.run(["umount", str(disk)], check=True, timeout=60)


def test_things_that_are_no_queue(tmp_path: Path, program: Program) -> None:
    program(
        """
path.mkdir()
(path / "file").write_bytes(b"x")
os.mkfifo(path / "pipe")
for name in ("file", "pipe", "file/below", "missing"):
    for mode in ("r", "r+"):
        raises(errors.ChronixError, px.open_queue, path / name, mode, timeout_ms=50)
for name in ("file", "pipe", "file/below"):
    raises(errors.ChronixError, px.open_queue, path / name, "a", timeout_ms=50)
clock = lambda: 1_709_635_062_500_000_000
makers = (os.mkdir, os.mkfifo, lambda p: os.symlink("nowhere/at/all", p), lambda p: os.symlink(p, p))
for number, make in enumerate(makers):
    for name in ("metadata.cq4t", "20240305F.cq4"):
        for create in (False, True):
            directory = path / f"q{number}{name}{create}"
            if create:
                with px.open_queue(directory, "a") as queue:
                    pass
                (directory / name).unlink(missing_ok=True)
            else:
                directory.mkdir()
            make(directory / name)
            for mode in ("r", "a"):
                try:
                    with px.open_queue(directory, mode, timeout_ms=50, clock=clock) as queue:
                        list(queue.tailer())
                        queue.cycles()
                        if mode == "a":
                            queue.appender().append(b"x")
                except errors.ChronixError:
                    pass
""",
        tmp_path / "dir",
    )


@pytest.mark.parametrize("slots", ["empty", "all the first message"])
def test_an_index_whose_pages_are_all_one_page_costs_no_time(tmp_path: Path, program: Program, slots: str) -> None:
    """A file of a megabyte whose index claims 2**30 entries: as every loop, a look-up is bounded by the file's size."""
    count, messages = 32768, 3000
    clock_ns = 1_700_000_000_000_000_000
    with px.open_queue(tmp_path / "q", "a", index_count=count, index_spacing=1, clock=lambda: clock_ns) as queue:
        queue.appender().append_many(b"%d" % i for i in range(messages))
        file = Path(queue.cycles()[0].path)
    with open(file, "r+b") as handle:
        data = bytearray(handle.read(1 << 20))
        header = cq5.parse_roll_header(bytes(data))
        root = data.index(b"\x8d", header.stop) + 17  # Slots follow the marker, the capacity and the number used.
        (page,) = struct.unpack_from("<q", data, root)
        leaf = data.index(b"\x8d", page) + 17
        right = struct.unpack_from(f"<{count}q", data, leaf)
        assert right[messages - 1] > leaf and not right[messages]
        wrong = {"empty": (0,) * count, "all the first message": right[:1] * count}[slots]
        struct.pack_into(f"<{count}q", data, root, *(page,) * count)
        struct.pack_into(f"<{count}q", data, leaf, *wrong)
        struct.pack_into("<q", data, header.write_position_offset + 8, 0)  # Only the index tells of the end.
        handle.seek(0)
        handle.write(data)
    program(
        f"""
with px.open_queue(path, "r") as queue:
    first, tailer = queue.first_index, queue.tailer()
    assert queue.count() == {messages}
    assert tailer.to_end().index == first + {messages}
    for i in (0, 1, {messages // 2}, {messages - 1}):
        assert tailer.move_to_index(first + i)
        assert tailer.read() == b"%d" % i
    assert not tailer.move_to_index(first + (1 << 30))
    assert len(list(queue.tailer(start="end", direction="backward"))) == {messages}
with px.open_queue(path, "a", clock=lambda: {clock_ns}) as queue:
    assert queue.appender().append(b"more") == first + {messages}
assert time.process_time() < 5, time.process_time()
""",
        tmp_path / "q",
        deadline_s=30,
    )
