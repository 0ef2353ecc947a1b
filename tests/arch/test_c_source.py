"""What the native core must not contain: its rules, read off the source.

C has no policy: it does not print, sleep, end the process, ask the environment or start one. One file has the atomics,
one the mappings. Comments and string literals are blanked before the search, so they may name anything.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NATIVE = Path(__file__).resolve().parents[2] / "native"
SOURCES = sorted([*NATIVE.glob("*.c"), *NATIVE.glob("*.h")])

# The one exception to two rules, for the reason its header gives: a SIGBUS handler is the process's, not a handle's.
FAULT = "cx_fault.c"
# A pid in a lock names a process: whether it is ours, and still held, only a list of all this process's holders tells.
GLOBALS = {"holders", "listing_holders"}

# Includes go leftwards only: a file may include headers of its own rank or of a lower one, and its own twin.
RANKS = [
    {"chronix_api"},
    {"cx_atomic", "cx_error", "cx_fault"},
    {"cx_map", "cx_roll", "cx_wire", "cx_columns"},
    {"cx_handle", "cx_listing"},
    {"cx_table", "cx_store"},
    {"cx5_queue", "cx3_vanilla", "cx3_indexed", "cx_api"},
    {f"{of}_{who}" for of in ("cx5", "cx3_vanilla", "cx3_indexed") for who in ("appender", "tailer")},
]

FORBIDDEN = {
    "prints": r"\b(?:v?f?printf|v?dprintf|puts|fputs|putchar|putc|fputc|perror|fwrite|syslog)\s*\(",
    "ends the process": r"\b(?:abort|exit|_exit|_Exit|quick_exit|assert|__builtin_trap)\s*\(",
    "sleeps": r"\b(?:sleep|usleep|nanosleep|clock_nanosleep|pause|select|poll|ppoll|epoll_wait)\s*\(",
    "asks the environment": r"\b(?:secure_)?(?:getenv|setenv|putenv)\s*\(|\benviron\b",
    "starts a process": r"\b(?:system|popen|fork|vfork|clone|exec[lv]p?e?|posix_spawnp?)\s*\(",
    "handles signals": r"\b(?:signal|sigaction|sigprocmask|pthread_sigmask|setjmp|sigsetjmp|longjmp)\s*\(",
    "starts a thread": r"\bpthread_create\s*\(",
    "knows no bounds": r"\b(?:gets|strcat|v?sprintf|strtok|alloca|scanf|atoi|atol)\s*\(",
    "takes locks that die with any descriptor (spec 1.3)": r"\b(?:F_SETLKW?|F_GETLK)\b|\b(?:lockf|flock)\s*\(",
    "calls Python": r"\bPy[A-Z_]\w*",
}

ONLY_IN = {
    "atomics": (r"__atomic_|__sync_|stdatomic|\b_Atomic\b", {"cx_atomic.h"}),
    "mappings and growth": (
        r"\b(?:mmap|munmap|mremap|mprotect|madvise|ftruncate|truncate|msync|sync_file_range|fallocate|posix_fallocate)"
        # cx_api keeps one anonymous page, which tells a child of fork() that it is one.
        r"\s*\((?!page\b|.*->alive\b|.*MAP_ANONYMOUS)",
        {"cx_map.c"},
    ),
    "byte-range locks": (r"\bF_OFD_\w+", {"cx_map.c"}),
}


def blanked(text: str) -> str:
    """The source with comments and literals replaced by blanks, line by line the same length."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def without_test_hooks(text: str) -> str:
    """The source without what only builds for tests contain: kill points may send a signal."""
    return re.sub(r"#if(?:def CX_KILL_POINTS| CX_KILL_POINTS| defined\(CX_KILL_POINTS\)).*?#(?:else|endif)", "", text,
                  flags=re.DOTALL)  # fmt: skip


def hits(pattern: str, path: Path, text: str) -> list[str]:
    lines = text.splitlines()
    return [f"{path.name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if re.search(pattern, line)]


def test_there_is_source_to_look_at() -> None:
    assert {"cx_atomic.h", "cx_map.c", "chronix_api.h"} <= {path.name for path in SOURCES}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_core_never(what: str) -> None:
    found = []
    for path in SOURCES:
        if what == "handles signals" and path.name == FAULT:
            continue
        # printf as the name of an attribute's format is no call of it.
        text = re.sub(r"format\s*\(\s*printf\b", lambda match: " " * len(match[0]), blanked(path.read_text()))
        found += hits(FORBIDDEN[what], path, text)
    assert [] == found


@pytest.mark.parametrize("what", ONLY_IN)
def test_only_one_file_has(what: str) -> None:
    pattern, allowed = ONLY_IN[what]
    others = [path for path in SOURCES if path.name not in allowed]
    assert [] == [hit for path in others for hit in hits(pattern, path, blanked(path.read_text()))]


def test_includes_go_leftwards() -> None:
    ranks = {stem: rank for rank, stems in enumerate(RANKS) for stem in stems}
    for path in SOURCES:
        assert path.stem in ranks, "give the new file its place in RANKS"
        for included in re.findall(r'^\s*#\s*include\s+"(\w+)\.h"', path.read_text(), re.MULTILINE):
            assert included in ranks, f"{included}.h has no place in RANKS"
            assert included == path.stem or ranks[included] <= ranks[path.stem], f"{path.name} includes {included}.h"


def test_only_kill_points_send_signals() -> None:
    for path in SOURCES:
        text = without_test_hooks(blanked(path.read_text()))
        calls = hits(r"\b(?:raise|tgkill|pthread_kill|kill)\s*\(", path, text)
        # kill(pid, 0) asks whether a process lives; nothing is sent.
        assert [] == [call for call in calls if not re.search(r"\bkill\s*\([^,]*,\s*0\s*\)", call)]


def test_no_mutable_globals() -> None:
    """State lives in handles; what a thread may keep for itself is marked _Thread_local."""
    declaration = re.compile(
        r"^(?!const|typedef|extern|_Static_assert|_Thread_local|struct\s+\w+\s*\{|return|goto)"
        r"[A-Za-z_][\w \t*]*\b\w+\s*(?:\[[^\]]*\])?\s*(?:=[^;]*)?;",
        re.MULTILINE,
    )
    for path in SOURCES:
        text = without_test_hooks(blanked(path.read_text()))
        if path.suffix == ".c" and path.name != FAULT:
            found = [match[0] for match in declaration.finditer(text)]
            found = [one for one in found if not re.search(r"\bconst\b|_Thread_local", one)]
            assert [] == [f"{path.name}: {one}" for one in found if not set(re.findall(r"\w+", one)) & GLOBALS]


def test_a_file_says_first_what_it_is() -> None:
    for path in SOURCES:
        assert path.read_text().startswith(f"/* {path.name} -- ")


def test_lines_fit() -> None:
    assert [] == [hit for path in SOURCES for hit in hits(r"^.{161}", path, path.read_text())]


@pytest.mark.parametrize(
    "what, line",
    [
        ("prints", 'fprintf(stderr, "x");'),
        ("ends the process", "    abort();"),
        ("sleeps", "nanosleep(&t, NULL);"),
        ("asks the environment", 'getenv("HOME")'),
        ("starts a process", 'system("ls");'),
        ("knows no bounds", "strcat(a, b);"),
        ("takes locks that die with any descriptor (spec 1.3)", "fcntl(fd, F_SETLK, &lock);"),
    ],
)
def test_the_search_sees_what_it_looks_for(what: str, line: str) -> None:
    path = NATIVE / "sample.c"
    assert [f"sample.c:1: {line.strip()}"] == hits(FORBIDDEN[what], path, line)
    assert [] == hits(FORBIDDEN[what], path, blanked(f"/* {line} */"))
