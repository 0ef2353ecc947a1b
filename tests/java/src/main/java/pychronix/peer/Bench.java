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
import java.util.HashMap;
import java.util.Map;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.bytes.BytesStore;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueue;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.DocumentContext;

/**
 * Java's side of the paired benchmarks: one measured round for each line of stdin, so that a Python bench interleaves.
 *
 * <p>Same protocol as {@link Peer} ({@code verb key=value ...} answered by {@code ok key=value ...}):
 * <pre>
 * hello                                  pid java
 * open dir [roll clock_ms]               opens (creates) the queue; roll defaults to FAST_DAILY
 * append count [size]                    ns count: writeBytes of one size-byte message (64), one call each
 * read [how count]                       ns count bytes: from the start, how = bytes (readBytes into one buffer),
 *                                        document (readingDocument, nothing copied) or copy (and copied to byte[])
 * seek count seed                        ns count: moveToIndex of a random index and one read, within one cycle
 * close
 * </pre>
 * Times are of the loop alone; opening, creating a tailer and the first append (which creates the file) are outside.
 */
public final class Bench {
    private SingleChronicleQueue queue;
    private ExcerptAppender appender;
    private Map<String, String> request = new HashMap<>();

    private Bench() {
    }

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "US-ASCII");
        System.setOut(System.err);
        Bench bench = new Bench();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line; (line = in.readLine()) != null; ) {
            String answer;
            try {
                String[] parts = line.trim().split(" ");
                bench.request = new HashMap<>();
                for (int i = 1; i < parts.length; i++) {
                    int equals = parts[i].indexOf('=');
                    bench.request.put(parts[i].substring(0, equals),
                        URLDecoder.decode(parts[i].substring(equals + 1), StandardCharsets.UTF_8));
                }
                answer = "ok" + bench.handle(parts[0]);
            } catch (Throwable t) {
                t.printStackTrace();
                answer = "error " + t.getClass().getName() + " "
                    + URLEncoder.encode(String.valueOf(t.getMessage()), StandardCharsets.UTF_8);
            }
            out.print(answer + "\n");
            out.flush();
        }
        System.exit(0);
    }

    private String handle(String verb) {
        switch (verb) {
            case "hello":
                return " pid=" + ProcessHandle.current().pid() + " java=" + System.getProperty("java.version");
            case "open": {
                PeerClock clock = new PeerClock();
                if (request.containsKey("clock_ms"))
                    clock.set(number("clock_ms", 0));
                SingleChronicleQueueBuilder builder = SingleChronicleQueueBuilder.binary(new File(request.get("dir")));
                builder.rollCycle(Compat.rollCycle(request.getOrDefault("roll", "FAST_DAILY")));
                builder.timeProvider(clock);
                queue = builder.build();
                appender = null;
                return "";
            }
            case "append":
                return append(number("count", 1), (int) number("size", 64));
            case "read":
                return read(request.getOrDefault("how", "document"), number("count", Long.MAX_VALUE));
            case "seek":
                return seek(number("count", 1), number("seed", 1));
            case "close":
                queue.close();
                queue = null;
                return "";
            default:
                throw new IllegalArgumentException("unknown verb " + verb);
        }
    }

    private String append(long count, int size) {
        BytesStore message = Bytes.allocateElasticDirect(size);
        for (int i = 0; i < size; i++)
            ((Bytes<?>) message).writeByte((byte) i);
        if (appender == null) {
            appender = Compat.appender(queue);
            appender.writeBytes(message);
        }
        ExcerptAppender target = appender;
        long start = System.nanoTime();
        for (long i = 0; i < count; i++)
            target.writeBytes(message);
        return " ns=" + (System.nanoTime() - start) + " count=" + count;
    }

    private String read(String how, long limit) {
        ExcerptTailer tailer = queue.createTailer();
        Bytes<?> buffer = Bytes.allocateElasticDirect(1 << 16);
        byte[] copy = new byte[1 << 16];
        long count = 0;
        long size = 0;
        long start = System.nanoTime();
        if (how.equals("bytes")) {
            while (count < limit) {
                buffer.clear();
                if (!tailer.readBytes(buffer))
                    break;
                size += buffer.readRemaining();
                count++;
            }
        } else {
            boolean copies = how.equals("copy");
            while (count < limit) {
                try (DocumentContext context = tailer.readingDocument()) {
                    if (!context.isPresent())
                        break;
                    Bytes<?> bytes = context.wire().bytes();
                    size += bytes.readRemaining();
                    if (copies)
                        bytes.read(copy, 0, (int) bytes.readRemaining());
                    count++;
                }
            }
        }
        long nanos = System.nanoTime() - start;
        Compat.close(tailer);
        return " ns=" + nanos + " count=" + count + " bytes=" + size;
    }

    private String seek(long count, long seed) {
        ExcerptTailer tailer = queue.createTailer();
        tailer.toEnd();
        long last = tailer.index() - 1;
        long first = queue.rollCycle().toIndex(queue.rollCycle().toCycle(last), 0);
        java.util.Random random = new java.util.Random(seed);
        long start = System.nanoTime();
        for (long i = 0; i < count; i++) {
            long index = first + Math.floorMod(random.nextLong(), last - first + 1);
            if (!tailer.moveToIndex(index))
                throw new IllegalStateException("moveToIndex " + index);
            try (DocumentContext context = tailer.readingDocument()) {
                if (!context.isPresent())
                    throw new IllegalStateException("nothing at " + index);
            }
        }
        long nanos = System.nanoTime() - start;
        Compat.close(tailer);
        return " ns=" + nanos + " count=" + count;
    }

    private long number(String key, long otherwise) {
        return request.containsKey(key) ? Long.parseLong(request.get(key)) : otherwise;
    }
}
