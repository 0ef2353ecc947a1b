package pychronix.peer;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.LocalTime;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.bytes.BytesStore;
import net.openhft.chronicle.core.values.LongValue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.RollCycle;
import net.openhft.chronicle.queue.TailerDirection;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueue;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.DocumentContext;
import net.openhft.chronicle.wire.WireType;

/**
 * A real Java Chronicle Queue process that does what it is told, one line at a time.
 *
 * <p><b>Protocol.</b> A request is one line on stdin: {@code verb key=value key=value ...}. The answer is zero or more
 * rows ({@code | field field ...}), ended by exactly one line {@code ok key=value ...} or
 * {@code error <class> <message>}. Values are URL-encoded, payloads are hex ({@code -} is the empty one), a missing
 * index or payload is {@code none}. Nothing else is printed on stdout; everything Chronicle says goes to stderr. The
 * process ends when stdin does.
 *
 * <p>Objects are small integers given by the peer: {@code q} queue, {@code a} appender, {@code t} tailer, {@code l}
 * load, {@code f} follower. All requests are served by one thread, so an appender and a tailer always stay on the
 * thread that made them; loads and followers have threads and objects of their own.
 *
 * <pre>
 * hello                                            pid release java
 * rollcycles                                       rows: name format length_ms index_count index_spacing
 * open dir [roll epoch_ms roll_time source_id block_size index_count index_spacing wire timeout_ms readonly
 *      double_buffer clock_ms]                     q
 * clock q [ms | advance_ms | system=1]             ms
 * facts q                                          first_index last_index first_cycle last_cycle cycle epoch_ms
 *                                                  source_id roll index_count index_spacing wire dir
 * file q cycle | count q from to | refresh q | close q
 * keys q | get q key | set q key value | cas q key expected value
 * appender q                                       a
 * append a hex... | text a text | meta a hex | rollback a hex | generate a writer first count sizes
 * append_at a index hex | appended a | normalise_eofs a | sync a
 * begin a [meta] | write a hex | commit a | abort a   one document kept open: holds the write lock meanwhile
 * tailer q [name]                                  t
 * read t [n meta] | direction t value | start t | end t | move t index | move_cycle t cycle | striding t value | where t
 * probe t indexes=i,j,...                          rows: index moved read_index hex
 * dump q [backward meta file]                      rows or file lines: index TAB hex
 * digest q [backward]                              count sha256 over (index LE64, length LE32, payload)
 * load q writer first count [rate sizes ack]       l
 * load_wait l ms | load_stop l | load_state l
 * follow q file [from_end limit]                   f
 * follow_wait f ms | follow_stop f ms | follow_state f
 * calls [a | t | hex] do=call,call,...             rows: position result; hex: methods of Bytes, see Fields, on an
 *                                                  excerpt that is appended, the next one, these bytes, or empty ones
 * release id                                       close an appender or a tailer
 * </pre>
 */
public final class Peer {
    private static final char[] HEX = "0123456789abcdef".toCharArray();

    private final PrintStream out;
    private final StringBuilder rows = new StringBuilder();
    private final Map<Integer, Object> objects = new HashMap<>();
    private final Map<Integer, PeerClock> clocks = new HashMap<>();
    private final Map<ExcerptAppender, DocumentContext> documents = new HashMap<>();
    private int nextId = 1;
    private Map<String, String> request = new HashMap<>();

    private Peer(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] args) throws IOException {
        PrintStream protocol = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "US-ASCII");
        System.setOut(System.err);
        new Peer(protocol).serve(new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 16));
    }

    private void serve(BufferedReader in) throws IOException {
        for (String line; (line = in.readLine()) != null; ) {
            rows.setLength(0);
            String end;
            try {
                String[] parts = line.trim().split(" ");
                request = new LinkedHashMap<>();
                for (int i = 1; i < parts.length; i++) {
                    int equals = parts[i].indexOf('=');
                    request.put(parts[i].substring(0, equals), decode(parts[i].substring(equals + 1)));
                }
                end = "ok" + handle(parts[0]);
            } catch (Throwable t) {
                t.printStackTrace();
                end = "error " + t.getClass().getName() + " " + encode(String.valueOf(t.getMessage()));
            }
            rows.append(end).append('\n');
            out.append(rows);
            out.flush();
        }
        System.exit(0);
    }

    private String handle(String verb) throws Throwable {
        switch (verb) {
            case "hello":
                return pairs("pid", ProcessHandle.current().pid(),
                    "release", System.getProperty("pychronix.release", "unknown"),
                    "java", System.getProperty("java.version"));
            case "rollcycles":
                for (Map.Entry<String, RollCycle> entry : Compat.rollCycles().entrySet()) {
                    RollCycle cycle = entry.getValue();
                    row(entry.getKey(), encode(cycle.format()), Compat.rollCycleLengthMillis(cycle),
                        cycle.defaultIndexCount(), cycle.defaultIndexSpacing());
                }
                return "";
            case "open":
                return open();
            case "clock":
                return clock();
            case "facts":
                return facts();
            case "file": {
                File file = Compat.fileOfCycle(queue(), (int) number("cycle"));
                return pairs("file", file == null ? "none" : file.getPath());
            }
            case "count":
                return pairs("count", queue().countExcerpts(number("from"), number("to")));
            case "refresh":
                Compat.call(queue(), new String[] {"refreshDirectoryListing"});
                return "";
            case "close":
                queue().close();
                objects.remove((int) number("q"));
                return "";
            case "release":
                return release();
            case "keys":
                for (String key : Compat.tableKeys(queue()))
                    row(encode(key), Compat.tableValue(queue(), key, 0).getVolatileValue());
                return "";
            case "get":
                return pairs("value", Compat.tableValue(queue(), text("key"), number("initial", Long.MIN_VALUE))
                    .getVolatileValue());
            case "set": {
                LongValue value = Compat.tableValue(queue(), text("key"), number("value"));
                long expected;
                do {
                    expected = value.getVolatileValue();
                } while (!value.compareAndSwapValue(expected, number("value")));
                return pairs("old", expected);
            }
            case "cas": {
                LongValue value = Compat.tableValue(queue(), text("key"), number("expected"));
                return pairs("swapped", value.compareAndSwapValue(number("expected"), number("value")));
            }
            case "appender":
                return pairs("a", add(Compat.appender(queue())));
            case "tailer":
                return pairs("t", add(Compat.tailer(queue(), request.get("name"))));
            case "dump":
                return dump();
            case "digest":
                return digest();
            case "load": {
                Load load = new Load(queue(), number("writer"), number("first", 0), number("count"),
                    Double.parseDouble(request.getOrDefault("rate", "0")), request.getOrDefault("sizes", "64"),
                    request.get("ack"));
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
                Follow follow = new Follow(queue(), text("file"), flag("from_end"), number("limit", 0));
                follow.thread.start();
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
            case "calls":
                return calls();
            default:
                if (request.containsKey("a"))
                    return handleAppender(verb, (ExcerptAppender) object("a"));
                if (request.containsKey("t"))
                    return handleTailer(verb, (ExcerptTailer) object("t"));
                throw new IllegalArgumentException("unknown verb " + verb);
        }
    }

    private String handleAppender(String verb, ExcerptAppender appender) throws Exception {
        switch (verb) {
            case "append":
                for (String hex : text("hex").split(",")) {
                    appender.writeBytes((BytesStore) Bytes.wrapForRead(unhex(hex)));
                    row(appender.lastIndexAppended());
                }
                return "";
            case "text":
                appender.writeText(text("text"));
                return pairs("index", appender.lastIndexAppended());
            case "meta":
                try (DocumentContext context = appender.writingDocument(true)) {
                    context.wire().bytes().write(unhex(text("hex")));
                }
                return "";
            case "rollback":
                try (DocumentContext context = appender.writingDocument(false)) {
                    context.wire().bytes().write(unhex(text("hex")));
                    context.rollbackOnClose();
                }
                return "";
            case "generate": {
                Payload payload = new Payload(request.getOrDefault("sizes", "64"));
                Bytes<byte[]> bytes = Bytes.wrapForRead(payload.bytes());
                long first = number("first", 0);
                long firstIndex = -1;
                for (long counter = first; counter < first + number("count"); counter++) {
                    bytes.readPositionRemaining(0, payload.fill(number("writer"), counter));
                    appender.writeBytes((BytesStore) bytes);
                    if (firstIndex < 0)
                        firstIndex = appender.lastIndexAppended();
                }
                return pairs("first_index", firstIndex, "last_index", appender.lastIndexAppended());
            }
            case "append_at":
                Compat.writeBytesAt(appender, number("index"), Bytes.wrapForRead(unhex(text("hex"))));
                return "";
            case "appended": {
                String last;
                try {
                    last = Long.toString(appender.lastIndexAppended());
                } catch (IllegalStateException nothingYet) {
                    last = "none";
                }
                return pairs("index", last, "cycle", appender.cycle());
            }
            case "normalise_eofs":
                Compat.call(appender, new String[] {"normaliseEOFs"});
                return "";
            case "sync":
                Compat.call(appender, new String[] {"sync"});
                return "";
            case "begin":
                documents.put(appender, appender.writingDocument(flag("meta")));
                return "";
            case "write":
                documents.get(appender).wire().bytes().write(unhex(text("hex")));
                return "";
            case "commit":
                documents.remove(appender).close();
                return "";
            case "abort": {
                DocumentContext context = documents.remove(appender);
                context.rollbackOnClose();
                context.close();
                return "";
            }
            default:
                throw new IllegalArgumentException("unknown appender verb " + verb);
        }
    }

    private String handleTailer(String verb, ExcerptTailer tailer) throws Exception {
        switch (verb) {
            case "read":
                for (long n = number("n", 1); n > 0 && readOne(tailer, flag("meta")); n--)
                    continue;
                return "";
            case "direction":
                tailer.direction(TailerDirection.valueOf(text("value")));
                return "";
            case "start":
                tailer.toStart();
                return "";
            case "end":
                tailer.toEnd();
                return "";
            case "move":
                return pairs("moved", tailer.moveToIndex(number("index")));
            case "move_cycle":
                return pairs("moved", Compat.call(tailer, new String[] {"moveToCycle"}, (int) number("cycle")));
            case "striding":
                Compat.call(tailer, new String[] {"striding"}, flag("value"));
                return "";
            case "where":
                return pairs("index", tailer.index(), "cycle", tailer.cycle(), "state", tailer.state(),
                    "direction", tailer.direction());
            case "probe":
                for (String index : text("indexes").split(",")) {
                    boolean moved = tailer.moveToIndex(Long.parseLong(index));
                    try (DocumentContext context = tailer.readingDocument()) {
                        if (context.isPresent())
                            row(index, moved, context.index(), hex(context.wire().bytes()));
                        else
                            row(index, moved, "none", "none");
                    }
                }
                return "";
            default:
                throw new IllegalArgumentException("unknown tailer verb " + verb);
        }
    }

    private String calls() throws Throwable {
        if (request.containsKey("a")) {
            ExcerptAppender appender = (ExcerptAppender) object("a");
            String hex;
            try (DocumentContext context = appender.writingDocument(false)) {
                hex = call(context.wire().bytes(), true);
            }
            return pairs("index", appender.lastIndexAppended(), "hex", hex);
        }
        if (request.containsKey("t")) {
            try (DocumentContext context = ((ExcerptTailer) object("t")).readingDocument()) {
                return pairs("index", context.index(), "hex", call(context.wire().bytes(), false));
            }
        }
        if (request.containsKey("hex"))
            return pairs("hex", call(Bytes.wrapForRead(unhex(text("hex"))), false));
        return pairs("hex", call(Bytes.allocateElasticDirect(), true));
    }

    /** Calls methods of an excerpt's bytes; returns what was written, or what is left to read, as hex. */
    private String call(Bytes<?> bytes, boolean write) throws Throwable {
        long start = write ? bytes.writePosition() : bytes.readPosition();
        for (String call : text("do").split(",")) {
            String result = Fields.call(bytes, call);
            row((write ? bytes.writePosition() : bytes.readPosition()) - start, result);
        }
        if (!write)
            return hex(bytes);
        byte[] data = new byte[(int) (bytes.writePosition() - start)];
        for (int i = 0; i < data.length; i++)
            data[i] = bytes.readByte(start + i);
        return hex(data);
    }

    private boolean readOne(ExcerptTailer tailer, boolean includeMeta) {
        try (DocumentContext context = tailer.readingDocument(includeMeta)) {
            if (!context.isPresent())
                return false;
            row(context.index(), hex(context.wire().bytes()), context.isMetaData() ? "meta" : "data");
            return true;
        }
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    private String open() {
        SingleChronicleQueueBuilder builder = SingleChronicleQueueBuilder.binary(new File(text("dir")));
        PeerClock clock = new PeerClock();
        if (request.containsKey("clock_ms"))
            clock.set(number("clock_ms"));
        builder.timeProvider(clock);
        if (request.containsKey("roll"))
            builder.rollCycle(Compat.rollCycle(text("roll")));
        if (request.containsKey("epoch_ms"))
            builder.epoch(number("epoch_ms"));
        if (request.containsKey("roll_time"))
            builder.rollTime(LocalTime.parse(text("roll_time")), ZoneId.of("UTC"));
        if (request.containsKey("source_id"))
            builder.sourceId((int) number("source_id"));
        if (request.containsKey("block_size"))
            builder.blockSize((int) number("block_size"));
        if (request.containsKey("index_count"))
            builder.indexCount((int) number("index_count"));
        if (request.containsKey("index_spacing"))
            builder.indexSpacing((int) number("index_spacing"));
        if (request.containsKey("wire"))
            builder.wireType(WireType.valueOf(text("wire")));
        if (request.containsKey("timeout_ms"))
            builder.timeoutMS(number("timeout_ms"));
        if (flag("readonly"))
            builder.readOnly(true);
        if (flag("double_buffer"))
            Compat.call(builder, new String[] {"doubleBuffer"}, true);
        int id = add(builder.build());
        clocks.put(id, clock);
        return pairs("q", id);
    }

    private String clock() {
        PeerClock clock = clocks.get((int) number("q"));
        if (request.containsKey("ms"))
            clock.set(number("ms"));
        if (request.containsKey("advance_ms"))
            clock.set(clock.currentTimeMillis() + number("advance_ms"));
        if (flag("system"))
            clock.system();
        return pairs("ms", clock.currentTimeMillis());
    }

    private String facts() {
        SingleChronicleQueue queue = queue();
        RollCycle roll = queue.rollCycle();
        String lastIndex;
        try {
            lastIndex = Long.toString(Compat.lastIndex(queue));
        } catch (UnsupportedOperationException absent) {
            lastIndex = "none";
        }
        return pairs("first_index", queue.firstIndex(), "last_index", lastIndex,
            "first_cycle", queue.firstCycle(), "last_cycle", queue.lastCycle(), "cycle", queue.cycle(),
            "epoch_ms", queue.epoch(), "source_id", queue.sourceId(),
            "roll", roll instanceof Enum ? ((Enum<?>) roll).name() : roll.toString(), "format", roll.format(),
            "index_count", queue.indexCount(), "index_spacing", queue.indexSpacing(),
            "wire", queue.wireType().name(), "dir", queue.file().getPath());
    }

    private String release() {
        Compat.close(objects.remove((int) number("id")));
        return "";
    }

    private String dump() throws IOException {
        long count = 0;
        String path = request.get("file");
        try (PrintStream file = path == null ? null : new PrintStream(path, "US-ASCII")) {
            ExcerptTailer tailer = queue().createTailer();
            if (flag("backward"))
                tailer.direction(TailerDirection.BACKWARD).toEnd();
            while (true) {
                try (DocumentContext context = tailer.readingDocument(flag("meta"))) {
                    if (!context.isPresent())
                        return pairs("count", count);
                    count++;
                    if (file == null)
                        row(context.index(), hex(context.wire().bytes()), context.isMetaData() ? "meta" : "data");
                    else
                        Dump.line(file, context);
                }
            }
        }
    }

    private String digest() throws Exception {
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        java.nio.ByteBuffer head = java.nio.ByteBuffer.allocate(12).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        byte[] data = new byte[1 << 16];
        long count = 0;
        ExcerptTailer tailer = queue().createTailer();
        if (flag("backward"))
            tailer.direction(TailerDirection.BACKWARD).toEnd();
        while (true) {
            try (DocumentContext context = tailer.readingDocument()) {
                if (!context.isPresent())
                    return pairs("count", count, "sha256", hex(sha.digest()));
                count++;
                Bytes<?> bytes = context.wire().bytes();
                int size = (int) bytes.readRemaining();
                if (size > data.length)
                    data = new byte[size * 2];
                bytes.read(data, 0, size);
                sha.update(head.putLong(0, context.index()).putInt(8, size).array());
                sha.update(data, 0, size);
            }
        }
    }

    private String loadState() {
        Load load = load();
        return pairs("running", load.thread.isAlive(), "appended", load.appended, "last_index", load.lastIndex,
            "nanos", load.nanos, "failure", load.failure == null ? "none" : load.failure.toString());
    }

    private String followState() {
        Follow follow = follow();
        return pairs("running", follow.thread.isAlive(), "seen", follow.seen, "last_index", follow.lastIndex,
            "failure", follow.failure == null ? "none" : follow.failure.toString());
    }

    private SingleChronicleQueue queue() {
        return (SingleChronicleQueue) object("q");
    }

    private Load load() {
        return (Load) object("l");
    }

    private Follow follow() {
        return (Follow) object("f");
    }

    private Object object(String kind) {
        Object object = objects.get((int) number(kind));
        if (object == null)
            throw new IllegalArgumentException("no such " + kind + ": " + text(kind));
        return object;
    }

    private int add(Object object) {
        objects.put(nextId, object);
        return nextId++;
    }

    private String text(String key) {
        String value = request.get(key);
        if (value == null)
            throw new IllegalArgumentException("missing " + key);
        return value;
    }

    private long number(String key) {
        return Long.parseLong(text(key));
    }

    private long number(String key, long otherwise) {
        return request.containsKey(key) ? number(key) : otherwise;
    }

    private boolean flag(String key) {
        return "1".equals(request.get(key));
    }

    private void row(Object... fields) {
        rows.append('|');
        for (Object field : fields)
            rows.append(' ').append(field);
        rows.append('\n');
        if (rows.length() > 1 << 16) {
            out.append(rows);
            rows.setLength(0);
        }
    }

    private static String pairs(Object... keysAndValues) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < keysAndValues.length; i += 2)
            text.append(' ').append(keysAndValues[i]).append('=').append(encode(String.valueOf(keysAndValues[i + 1])));
        return text.toString();
    }

    private static String encode(String value) {
        return URLEncoder.encode(value, StandardCharsets.UTF_8);
    }

    private static String decode(String value) {
        return URLDecoder.decode(value, StandardCharsets.UTF_8);
    }

    /** What is left to read of a document, as hex; does not move its position. */
    static String hex(Bytes<?> bytes) {
        byte[] data = new byte[(int) bytes.readRemaining()];
        bytes.read(bytes.readPosition(), data, 0, data.length);
        return hex(data);
    }

    static String hex(byte[] data) {
        if (data.length == 0)
            return "-";
        char[] text = new char[data.length * 2];
        for (int i = 0; i < data.length; i++) {
            text[2 * i] = HEX[(data[i] >> 4) & 15];
            text[2 * i + 1] = HEX[data[i] & 15];
        }
        return new String(text);
    }

    static byte[] unhex(String text) {
        if (text.equals("-"))
            return new byte[0];
        byte[] data = new byte[text.length() / 2];
        for (int i = 0; i < data.length; i++)
            data[i] = (byte) (Character.digit(text.charAt(2 * i), 16) << 4 | Character.digit(text.charAt(2 * i + 1), 16));
        return data;
    }
}
