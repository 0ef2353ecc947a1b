"""Chronicle 3's TCP replication: serve a queue, tail, append to and replicate one over the network.

``serve`` makes any open queue a source for Java's remote tailers, stateful sinks and remote appenders;
``RemoteTailer`` and ``RemoteAppender`` are clients of a source, Java's or ours; ``replicate`` keeps a local copy with
the same indexes. The protocol has no authentication and no encryption: a source listens on this machine alone unless it
is told otherwise.

``protocol`` is the bytes, ``server`` and ``client`` the two ends, ``replica`` the copy. Above the queue's public API
and beside nothing: nothing here knows a format.
"""

from pychronix.tcp.client import RemoteAppender, RemoteTailer
from pychronix.tcp.protocol import MAX_EXCERPT_BYTES, parse_address
from pychronix.tcp.replica import replicate
from pychronix.tcp.server import Source, ThreadedSource, serve, serve_async, serve_forever

__all__ = [
    "MAX_EXCERPT_BYTES",
    "RemoteAppender",
    "RemoteTailer",
    "Source",
    "ThreadedSource",
    "parse_address",
    "replicate",
    "serve",
    "serve_async",
    "serve_forever",
]
