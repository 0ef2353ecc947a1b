package pychronix.peer;

import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectableChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import net.openhft.affinity.AffinitySupport;
import net.openhft.chronicle.Chronicle;
import net.openhft.chronicle.ChronicleQueueBuilder;
import net.openhft.chronicle.ChronicleQueueBuilder.IndexedChronicleQueueBuilder;
import net.openhft.chronicle.ChronicleQueueBuilder.ReplicaChronicleQueueBuilder;
import net.openhft.chronicle.ChronicleQueueBuilder.VanillaChronicleQueueBuilder;
import net.openhft.chronicle.Excerpt;
import net.openhft.chronicle.ExcerptAppender;
import net.openhft.chronicle.ExcerptCommon;
import net.openhft.chronicle.ExcerptComparator;
import net.openhft.chronicle.ExcerptTailer;
import net.openhft.chronicle.VanillaChronicle;
import net.openhft.chronicle.tcp.TcpConnectionListener;

/**
 * A real Java Chronicle 3.6.0 process that does what it is told, one line at a time. See {@link LineServer} for the
 * protocol's form, {@link Values} for calls and tokens, README.md for all of it.
 *
 * <p>Objects are small integers: {@code q} queue (journal, source, sink, remote end), {@code a} appender, {@code t}
 * tailer, {@code l} load, {@code f} follower. Appenders, tailers, loads and followers have threads of their own.
 *
 * <pre>
 * hello                                            pid release java tid_bits
 * open_vanilla dir [cycle format length_ms time_zone entries index_block data_block message_size synchronous
 *      sync_on_roll compressed checked data_cache index_cache]                       q
 * open_indexed path [preset line data_block index_block capacity synchronous compressed checked]   q
 * source q host port [connect heartbeat_ms min_buffer max_excerpts]                  q port
 * sink q host port [bind min_buffer shared spin] | remote_tailer host port [bind min_buffer spin]  q
 * remote_appender host port [ack bind min_buffer]  q
 * facts q                                          last_index last_written_index size name
 * close q | release id
 * appender q                                       a tid
 * append a hex,... [capacity cycle]                rows: index
 * generate a writer first count sizes [capacity cycle]   first_index last_index
 * start a [capacity cycle] | write a hex | finish a | padding a   index
 * calls a do=call,call,... [capacity cycle abort]  rows: position result...; index hex
 * tailer q                                         t
 * read t [n ms]                                    rows: index hex
 * index t i                                        found padding
 * start t | end t | where t                        index padding
 * view t                                           hex of the excerpt it stands on
 * calls t do=call,call,... [index]                 rows: position result...; index
 * dump q [from file]                               rows or file lines: index TAB hex
 * digest q                                         count sha256 over (index LE64, length LE32, payload)
 * find q key [offset kind]                         index
 * find_range q key [offset kind]                   from to
 * load q writer first count [rate sizes ack capacity]   l
 * load_wait l ms | load_stop l | load_state l
 * follow q file [from limit hex]                   f
 * follow_wait f ms | follow_stop f ms | follow_state f
 * bench_append a count [kind size capacity]        ns count
 * bench_read t count [kind]                        ns count bytes
 * </pre>
 */
public final class Peer3 extends LineServer {
    private long sink;

    private Peer3() throws IOException {
    }

    public static void main(String[] args) throws IOException {
        new Peer3().serve();
    }

    @Override
    String handle(String verb) throws Exception {
        switch (verb) {
            case "hello":
                return pairs("pid", ProcessHandle.current().pid(),
                    "release", System.getProperty("pychronix.release", "unknown"),
                    "java", System.getProperty("java.version"), "tid_bits", VanillaChronicle.THREAD_ID_BITS);
            case "open_vanilla":
                return pairs("q", add(openVanilla()));
            case "open_indexed":
                return pairs("q", add(openIndexed()));
            case "source":
                return source();
            case "sink":
                return pairs("q", add(client(ChronicleQueueBuilder.sink(queue())).build()));
            case "remote_tailer":
                return pairs("q", add(client(ChronicleQueueBuilder.remoteTailer()).build()));
            case "remote_appender":
                return pairs("q", add(client(ChronicleQueueBuilder.remoteAppender())
                    .appendRequireAck(flag("ack")).build()));
            case "facts":
                return pairs("last_index", queue().lastIndex(), "last_written_index", queue().lastWrittenIndex(),
                    "size", queue().size(), "name", queue().name());
            case "close":
                queue().close();
                remove("q");
                return "";
            case "release":
                ((Actor) remove("id")).close();
                return "";
            case "appender": {
                Chronicle queue = queue();
                Actor actor = new Actor(queue::createAppender);
                return pairs("a", add(actor), "tid", actor.call(AffinitySupport::getThreadId));
            }
            case "tailer": {
                Chronicle queue = queue();
                return pairs("t", add(new Actor(queue::createTailer)));
            }
            case "dump":
                return dump();
            case "digest":
                return digest();
            case "find":
            case "find_range":
                return find(verb);
            case "load": {
                Load3 load = new Load3(queue(), number("writer"), number("first", 0), number("count"),
                    Double.parseDouble(text("rate", "0")), text("sizes", "64"), text("ack", null),
                    number("capacity", 0));
                load.thread.start();
                return pairs("l", add(load));
            }
            case "load_wait":
                load().thread.join(Math.max(1, number("ms")));
                return loadState();
            case "load_stop":
                load().stop = true;
                return loadState();
            case "load_state":
                return loadState();
            case "follow": {
                Follow3 follow = new Follow3(queue(), text("file"), text("from", "start"), number("limit", 0),
                    flag("hex"));
                follow.thread.start();
                if (!flag("remote"))
                    while (!follow.ready)
                        Thread.onSpinWait();
                return pairs("f", add(follow));
            }
            case "follow_wait":
                follow().thread.join(Math.max(1, number("ms")));
                return followState();
            case "follow_stop":
                follow().stop = true;
                follow().thread.join(Math.max(1, number("ms")));
                return followState();
            case "follow_state":
                return followState();
            default:
                if (has("a")) {
                    Actor actor = (Actor) object("a");
                    return actor.call(() -> handleAppender(verb, (ExcerptAppender) actor.excerpt));
                }
                if (has("t")) {
                    Actor actor = (Actor) object("t");
                    return actor.call(() -> handleTailer(verb, (ExcerptTailer) actor.excerpt));
                }
                throw new IllegalArgumentException("unknown verb " + verb);
        }
    }

    // --- opening

    private Chronicle openVanilla() throws IOException {
        VanillaChronicleQueueBuilder builder = ChronicleQueueBuilder.vanilla(new File(text("dir")));
        if (has("cycle"))
            builder.cycle(VanillaChronicle.Cycle.valueOf(text("cycle")));
        if (has("length_ms"))
            builder.cycleLength((int) number("length_ms"), false);
        if (has("format"))
            builder.cycleFormat(text("format"));
        if (has("time_zone"))
            builder.cycleTimeZone(text("time_zone"));
        if (has("entries"))
            builder.entriesPerCycle(number("entries"));
        if (has("index_block"))
            builder.indexBlockSize(number("index_block"));
        if (has("data_block"))
            builder.dataBlockSize(number("data_block"));
        if (has("message_size"))
            builder.defaultMessageSize((int) number("message_size"));
        if (has("synchronous"))
            builder.synchronous(flag("synchronous"));
        if (has("sync_on_roll"))
            builder.syncOnRoll(flag("sync_on_roll"));
        if (has("compressed"))
            builder.useCompressedObjectSerializer(flag("compressed"));
        if (has("checked"))
            builder.useCheckedExcerpt(flag("checked"));
        if (has("data_cache"))
            builder.dataCacheCapacity((int) number("data_cache"));
        if (has("index_cache"))
            builder.indexCacheCapacity((int) number("index_cache"));
        return builder.build();
    }

    private Chronicle openIndexed() throws IOException {
        IndexedChronicleQueueBuilder builder = ChronicleQueueBuilder.indexed(new File(text("path")));
        switch (text("preset", "")) {
            case "":
                break;
            case "small":
                builder.small();
                break;
            case "medium":
                builder.medium();
                break;
            case "large":
                builder.large();
                break;
            default:
                throw new IllegalArgumentException("unknown preset " + text("preset"));
        }
        if (has("line"))
            builder.cacheLineSize((int) number("line"));
        if (has("data_block"))
            builder.dataBlockSize((int) number("data_block"));
        if (has("index_block"))
            builder.indexBlockSize((int) number("index_block"));
        if (has("capacity"))
            builder.messageCapacity((int) number("capacity"));
        if (has("synchronous"))
            builder.synchronous(flag("synchronous"));
        if (has("compressed"))
            builder.useCompressedObjectSerializer(flag("compressed"));
        if (has("checked"))
            builder.useCheckedExcerpt(flag("checked"));
        return builder.build();
    }

    /** Serves a queue; when this returns it listens, on the port that is told. */
    private String source() throws Exception {
        CompletableFuture<Integer> port = new CompletableFuture<>();
        ReplicaChronicleQueueBuilder builder = ChronicleQueueBuilder.source(queue());
        if (flag("connect")) {
            builder.connectAddress(text("host"), (int) number("port"));
            port.complete((int) number("port"));
        } else {
            builder.bindAddress(text("host"), (int) number("port"));
            builder.connectionListener(new TcpConnectionListener() {
                @Override
                public void onListen(ServerSocketChannel channel) {
                    try {
                        port.complete(((InetSocketAddress) channel.getLocalAddress()).getPort());
                    } catch (IOException e) {
                        port.completeExceptionally(e);
                    }
                }

                @Override
                public void onError(SelectableChannel channel, Exception e) {
                    port.completeExceptionally(e);
                }

                @Override
                public void onConnect(SocketChannel channel) {
                }

                @Override
                public void onDisconnect(SocketChannel channel) {
                }
            });
        }
        if (has("heartbeat_ms"))
            builder.heartbeatInterval(number("heartbeat_ms"), TimeUnit.MILLISECONDS);
        if (has("min_buffer"))
            builder.minBufferSize((int) number("min_buffer"));
        if (has("max_excerpts"))
            builder.maxExcerptsPerMessage((int) number("max_excerpts"));
        Chronicle source = builder.build();
        try {
            return pairs("port", port.get(20, TimeUnit.SECONDS), "q", add(source));
        } catch (Exception e) {
            source.close();
            throw e;
        }
    }

    private ReplicaChronicleQueueBuilder client(ReplicaChronicleQueueBuilder builder) {
        if (flag("bind"))
            builder.bindAddress(text("host"), (int) number("port"));
        else
            builder.connectAddress(text("host"), (int) number("port"));
        if (has("min_buffer"))
            builder.minBufferSize((int) number("min_buffer"));
        if (has("spin"))
            builder.readSpinCount((int) number("spin"));
        if (flag("shared"))
            builder.sharedChronicle(true);
        return builder;
    }

    // --- appending

    private String handleAppender(String verb, ExcerptAppender appender) throws Exception {
        switch (verb) {
            case "append":
                for (String hex : text("hex").split(",")) {
                    byte[] data = unhex(hex);
                    start(appender, data.length);
                    appender.write(data);
                    appender.finish();
                    row(appender.lastWrittenIndex());
                }
                return "";
            case "generate": {
                Payload payload = new Payload(text("sizes", "64"));
                long first = number("first", 0);
                long firstIndex = -1;
                for (long counter = first; counter < first + number("count"); counter++) {
                    int size = payload.fill(number("writer"), counter);
                    start(appender, size);
                    appender.write(payload.bytes(), 0, size);
                    appender.finish();
                    if (firstIndex < 0)
                        firstIndex = appender.lastWrittenIndex();
                }
                return pairs("first_index", firstIndex, "last_index", appender.lastWrittenIndex());
            }
            case "start":
                start(appender, 1024);
                return "";
            case "write":
                appender.write(unhex(text("hex")));
                return "";
            case "finish":
                appender.finish();
                return pairs("index", appender.lastWrittenIndex());
            case "padding":
                appender.addPaddedEntry();
                return pairs("index", appender.lastWrittenIndex());
            case "calls": {
                start(appender, 2048);
                calls(appender);
                byte[] data = new byte[(int) appender.position()];
                for (int i = 0; i < data.length; i++)
                    data[i] = appender.readByte(i);
                if (flag("abort"))
                    return pairs("hex", hex(data));
                appender.finish();
                return pairs("index", appender.lastWrittenIndex(), "hex", hex(data));
            }
            case "bench_append":
                return benchAppend(appender);
            default:
                throw new IllegalArgumentException("unknown appender verb " + verb);
        }
    }

    /** Starts an excerpt with the request's capacity ("default": Java's, 128 KiB) and, where given, in its cycle. */
    private void start(ExcerptAppender appender, long size) {
        boolean unnamed = text("capacity", "").equals("default");
        long capacity = Math.max(size, unnamed ? 128 << 10 : number("capacity", 0));
        if (has("cycle"))
            ((VanillaChronicle.VanillaAppender) appender).startExcerpt(capacity, (int) number("cycle"));
        else if (unnamed)
            appender.startExcerpt();
        else
            appender.startExcerpt(capacity);
    }

    private void calls(ExcerptCommon excerpt) throws Exception {
        for (String call : text("do").split(",")) {
            String result;
            try {
                result = Values.call(excerpt, call);
            } catch (Exception | Error e) {
                throw e;
            } catch (Throwable t) {
                throw new IllegalStateException(t);
            }
            row(excerpt.position(), result);
        }
    }

    // --- reading

    private String handleTailer(String verb, ExcerptTailer tailer) throws Exception {
        switch (verb) {
            case "read": {
                long due = System.nanoTime() + number("ms", 0) * 1_000_000;
                for (long n = number("n", 1); n > 0; ) {
                    if (next(tailer)) {
                        row(tailer.index(), hexOf(tailer));
                        n--;
                    } else if (System.nanoTime() >= due) {
                        break;
                    }
                }
                return "";
            }
            case "index": {
                boolean found = tailer.index(number("index"));
                return pairs("found", found, "padding", padding(tailer));
            }
            case "start":
                tailer.toStart();
                return where(tailer);
            case "end":
                tailer.toEnd();
                return where(tailer);
            case "where":
                return where(tailer);
            case "view":
                return pairs("hex", hexOf(tailer));
            case "calls":
                if (has("index") && !tailer.index(number("index")))
                    throw new IllegalArgumentException("no excerpt " + text("index"));
                calls(tailer);
                return pairs("index", tailer.index());
            case "bench_read":
                return benchRead(tailer);
            default:
                throw new IllegalArgumentException("unknown tailer verb " + verb);
        }
    }

    /** The next excerpt, past any padding; {@code nextIndex()} of an Indexed tailer passes at most one. */
    static boolean next(ExcerptTailer tailer) {
        while (true) {
            long before = tailer.index();
            if (tailer.nextIndex())
                return true;
            // At the end the flag still tells of padding met before; only the index says that it went on.
            if (!padding(tailer) || tailer.index() == before)
                return false;
        }
    }

    /** Whether it met padding; a remote tailer meets none and cannot say so. */
    static boolean padding(ExcerptTailer tailer) {
        try {
            return tailer.wasPadding();
        } catch (UnsupportedOperationException remote) {
            return false;
        }
    }

    private static String where(ExcerptTailer tailer) {
        return pairs("index", tailer.index(), "padding", padding(tailer));
    }

    /** The excerpt from its first byte on; leaves the position where it was. */
    static String hexOf(ExcerptCommon excerpt) {
        long position = excerpt.position();
        excerpt.position(0);
        byte[] data = new byte[(int) excerpt.remaining()];
        if (data.length > 0)
            excerpt.readFully(data);
        excerpt.position(position);
        return hex(data);
    }

    /** Shows every excerpt a new tailer finds, from the start or from an index on (included). */
    private void forEach(ThrowingConsumer consumer) throws Exception {
        Chronicle queue = queue();
        Actor actor = new Actor(queue::createTailer);
        try {
            actor.call(() -> {
                ExcerptTailer tailer = (ExcerptTailer) actor.excerpt;
                if (has("from")) {
                    if (tailer.index(number("from")))
                        consumer.accept(tailer);
                } else {
                    tailer.toStart();
                }
                while (next(tailer))
                    consumer.accept(tailer);
                return null;
            });
        } finally {
            actor.close();
        }
    }

    private interface ThrowingConsumer {
        void accept(ExcerptTailer tailer) throws Exception;
    }

    private String dump() throws Exception {
        long[] count = {0};
        try (PrintStream file = has("file") ? new PrintStream(text("file"), "US-ASCII") : null) {
            forEach(tailer -> {
                count[0]++;
                if (file == null)
                    row(tailer.index(), hexOf(tailer));
                else
                    file.append(tailer.index() + "\t" + hexOf(tailer) + "\n");
            });
        }
        return pairs("count", count[0]);
    }

    private String digest() throws Exception {
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        ByteBuffer head = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
        long[] count = {0};
        forEach(tailer -> {
            byte[] data = new byte[(int) tailer.remaining()];
            if (data.length > 0)
                tailer.readFully(data);
            sha.update(head.putLong(0, tailer.index()).putInt(8, data.length).array());
            sha.update(data);
            count[0]++;
        });
        return pairs("count", count[0], "sha256", hex(sha.digest()));
    }

    /** Indexed: binary search by the long at an offset, or by the excerpt's bytes (unsigned, as memcmp). */
    private String find(String verb) throws Exception {
        Excerpt excerpt = queue().createExcerpt();
        int offset = (int) number("offset", 0);
        List<Long> probes = new ArrayList<>();
        ExcerptComparator comparator;
        if (text("kind", "long").equals("long")) {
            long key = number("key");
            comparator = at -> {
                probes.add(at.index());
                return Long.compare(at.readLong(offset), key);
            };
        } else {
            byte[] key = unhex(text("key"));
            comparator = at -> {
                probes.add(at.index());
                byte[] data = new byte[(int) at.remaining()];
                at.readFully(data);
                return Arrays.compareUnsigned(data, key);
            };
        }
        String result;
        if (verb.equals("find")) {
            result = pairs("index", excerpt.findMatch(comparator));
        } else {
            long[] range = new long[2];
            excerpt.findRange(range, comparator);
            result = pairs("from", range[0], "to", range[1]);
        }
        for (long probe : probes)
            row(probe);
        excerpt.close();
        return result;
    }

    // --- measuring

    private static final String TEXT = "the quick brown fox jumps over the lazy dog, ";

    private String benchAppend(ExcerptAppender appender) {
        long count = number("count");
        int size = (int) number("size", 100);
        long capacity = Math.max(size, number("capacity", 128));
        byte[] data = new byte[size];
        for (int i = 0; i < size; i++)
            data[i] = (byte) i;
        String text = TEXT.repeat(size / TEXT.length() + 1).substring(0, size);
        String kind = text("kind", "bytes");
        long start = System.nanoTime();
        switch (kind) {
            case "bytes":
                for (long i = 0; i < count; i++) {
                    appender.startExcerpt(capacity);
                    appender.write(data);
                    appender.finish();
                }
                break;
            case "int":
                for (long i = 0; i < count; i++) {
                    appender.startExcerpt(capacity);
                    appender.writeInt((int) i);
                    appender.finish();
                }
                break;
            case "long":
                for (long i = 0; i < count; i++) {
                    appender.startExcerpt(capacity);
                    appender.writeLong(i);
                    appender.finish();
                }
                break;
            case "text":
                for (long i = 0; i < count; i++) {
                    appender.startExcerpt(capacity * 3 + 5);
                    appender.writeUTFΔ(text);
                    appender.finish();
                }
                break;
            case "record":
                for (long i = 0; i < count; i++) {
                    appender.startExcerpt(capacity);
                    appender.writeInt((int) i);
                    appender.writeLong(i);
                    appender.writeDouble(i);
                    appender.finish();
                }
                break;
            case "mixed":
                for (long i = 0; i < count; i++) {
                    appender.startExcerpt(capacity * 3 + 25);
                    appender.writeInt((int) i);
                    appender.writeLong(i);
                    appender.writeDouble(i);
                    appender.writeUTFΔ(text);
                    appender.finish();
                }
                break;
            default:
                throw new IllegalArgumentException("unknown kind " + kind);
        }
        return pairs("ns", System.nanoTime() - start, "count", count);
    }

    private String benchRead(ExcerptTailer tailer) {
        long limit = number("count", Long.MAX_VALUE);
        long due = System.nanoTime() + number("ms", 0) * 1_000_000;
        String kind = text("kind", "bytes");
        byte[] data = new byte[1 << 20];
        long sum = 0;
        long count = 0;
        long size = 0;
        long start = 0;
        long end = 0;
        boolean view = kind.equals("view");
        while (count < limit) {
            if (!next(tailer)) {
                if (System.nanoTime() >= due)
                    break;
                continue;
            }
            if (count == 0)
                start = System.nanoTime();
            int length = (int) tailer.remaining();
            if (view) {
                sum += length;
            } else if (kind.equals("bytes")) {
                tailer.readFully(data, 0, length);
                sum += data[0];
            } else {
                sum += readFields(tailer, kind);
            }
            size += length;
            tailer.finish();
            count++;
        }
        end = System.nanoTime();
        sink += sum;
        return pairs("ns", count == 0 ? 0 : end - start, "count", count, "bytes", size);
    }

    private static long readFields(ExcerptTailer tailer, String kind) {
        switch (kind) {
            case "int":
                return tailer.readInt();
            case "long":
                return tailer.readLong();
            case "text":
                return tailer.readUTFΔ().length();
            case "record":
                return tailer.readInt() + tailer.readLong() + (long) tailer.readDouble();
            case "mixed":
                return tailer.readInt() + tailer.readLong() + (long) tailer.readDouble() + tailer.readUTFΔ().length();
            default:
                throw new IllegalArgumentException("unknown kind " + kind);
        }
    }

    // --- background

    private String loadState() {
        Load3 load = load();
        return pairs("running", load.thread.isAlive(), "appended", load.appended, "last_index", load.lastIndex,
            "nanos", load.nanos, "tid", load.tid, "failure", load.failure == null ? "none" : load.failure.toString());
    }

    private String followState() {
        Follow3 follow = follow();
        return pairs("running", follow.thread.isAlive(), "seen", follow.seen, "last_index", follow.lastIndex,
            "failure", follow.failure == null ? "none" : follow.failure.toString());
    }

    private Chronicle queue() {
        return (Chronicle) object("q");
    }

    private Load3 load() {
        return (Load3) object("l");
    }

    private Follow3 follow() {
        return (Follow3) object("f");
    }
}
