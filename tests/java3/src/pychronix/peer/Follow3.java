package pychronix.peer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.locks.LockSupport;
import net.openhft.chronicle.Chronicle;
import net.openhft.chronicle.ExcerptTailer;

/**
 * A background reader with its own tailer, which records all it sees: three LE longs (index, writer, counter) for each
 * excerpt, or lines {@code index TAB hex}.
 *
 * <p>An excerpt shorter than 16 bytes is recorded with writer -1 and its length as the counter. Ends after
 * {@code limit} excerpts (0: never) or when told to stop, after which it still reads to the end it sees. A remote
 * tailer's and a sink's {@code nextIndex()} waits for the source, so those hear of the stop at its next heartbeat.
 */
final class Follow3 implements Runnable {
    final Thread thread;
    private final Chronicle chronicle;
    private final Path path;
    private final String from;
    private final long limit;
    private final boolean hex;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 17).order(ByteOrder.LITTLE_ENDIAN);
    volatile boolean stop;
    volatile boolean ready;
    volatile long seen;
    volatile long lastIndex = -1;
    volatile Throwable failure;

    Follow3(Chronicle chronicle, String path, String from, long limit, boolean hex) {
        this.chronicle = chronicle;
        this.path = Paths.get(path);
        this.from = from;
        this.limit = limit;
        this.hex = hex;
        this.thread = new Thread(this, "follow");
        this.thread.setDaemon(true);
    }

    @Override
    public void run() {
        try (FileChannel out = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING)) {
            ExcerptTailer tailer = chronicle.createTailer();
            if (from.equals("start"))
                tailer.toStart();
            else if (from.equals("end"))
                tailer.toEnd();
            else if (!from.equals("-"))
                tailer.index(Long.parseLong(from));
            ready = true;
            int idle = 0;
            while (limit == 0 || seen < limit) {
                boolean last = stop;
                if (Peer3.next(tailer)) {
                    idle = 0;
                    record(tailer, out);
                    continue;
                }
                if (last)
                    break;
                if (++idle < 2_000) {
                    Thread.onSpinWait();
                } else {
                    flush(out);
                    LockSupport.parkNanos(20_000);
                }
            }
            flush(out);
            tailer.close();
        } catch (Throwable t) {
            failure = t;
            t.printStackTrace();
        } finally {
            ready = true;
        }
    }

    private void record(ExcerptTailer tailer, FileChannel out) throws java.io.IOException {
        lastIndex = tailer.index();
        if (hex) {
            String line = lastIndex + "\t" + Peer3.hexOf(tailer) + "\n";
            flush(out);
            out.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.US_ASCII)));
        } else {
            if (buffer.remaining() < 24)
                flush(out);
            long size = tailer.remaining();
            buffer.putLong(lastIndex);
            buffer.putLong(size < 16 ? -1 : tailer.readLong());
            buffer.putLong(size < 16 ? size : tailer.readLong());
        }
        tailer.finish();
        seen++;
    }

    private void flush(FileChannel out) throws java.io.IOException {
        buffer.flip();
        while (buffer.hasRemaining())
            out.write(buffer);
        buffer.clear();
    }
}
