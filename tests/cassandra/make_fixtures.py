#!/usr/bin/env python3
"""Makes ``fixtures/cassandra``: a full-query log and an audit log by each release, and what Cassandra read of them.

    PYTHONPATH=tests:. python3 tests/cassandra/make_fixtures.py

The hour of a file's name, and with it the indexes, is that of the run; all else stands in cassandra_kit.py.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import subprocess
import tempfile
from pathlib import Path

from cassandra_kit import FIXTURES, write_audit, write_queries
from fix_cassandra import RELEASES, CassandraPeer, build_cassandra

_PROVENANCE = """\
# Where Cassandra's logs come from

Every log here was written by the loggers of Apache Cassandra itself (`org.apache.cassandra:cassandra-all` of Maven
Central, run without a server by `tests/cassandra/src`), by the command below, and by nothing else. **Do not edit one.**

```sh
PYTHONPATH=tests:. python3 tests/cassandra/make_fixtures.py
```

Needed: a JDK 17, Maven and GNU tar. `<release>.txz` holds two logs, `fql` (`FullQueryLogger`) and `audit`
(`BinAuditLogger`), each a Chronicle queue in one hour's file; sparse files stay sparse when GNU tar or Python's
`tarfile` unpacks them. `<release>.expected.json.xz` has, for each of the two, every record's fields as Cassandra's own
classes read them (`QueryOptions.codec` and the reading of `fqltool dump`). What was logged: `cassandra_kit.py`.

| file | SHA-256 |
|---|---|
"""


def main() -> None:
    FIXTURES.mkdir(exist_ok=True)
    rows = []
    for release in RELEASES:
        with tempfile.TemporaryDirectory() as scratch, CassandraPeer(build_cassandra(release)) as peer:
            expected = make(peer, Path(scratch))
            archive = FIXTURES / f"{release}.txz"
            command = [
                "tar", "--create", "--sparse", "--format=gnu", "--sort=name", "--mtime=@0", "--owner=0", "--group=0",
                "--numeric-owner", "--directory", scratch, "audit", "fql",
            ]  # fmt: skip
            archive.write_bytes(
                lzma.compress(subprocess.run(command, check=True, capture_output=True).stdout, preset=9)
            )
        told = FIXTURES / f"{release}.expected.json.xz"
        told.write_bytes(lzma.compress(json.dumps(expected, sort_keys=True).encode(), preset=9))
        for path in (archive, told):
            rows.append(f"| `{path.name}` | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |\n")
            print(f"{path.name}: {path.stat().st_size} bytes")
    (FIXTURES / "PROVENANCE.md").write_text(_PROVENANCE + "".join(rows), "utf-8")


def make(peer: CassandraPeer, directory: Path) -> dict[str, list[dict[str, str]]]:
    peer.enable(directory / "fql")
    write_queries(peer)
    peer.stop()
    peer.audit_enable(directory / "audit")
    write_audit(peer)
    peer.audit_stop()
    return {name: peer.dump(directory / name) for name in ("fql", "audit")}


if __name__ == "__main__":
    main()
