package pychronix.peer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.locks.LockSupport;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.wire.DocumentContext;

/**
 * A background reader which records every message it sees as three LE longs: index, writer, counter.
 *
 * <p>A message shorter than 16 bytes is recorded with writer -1 and its length as the counter. Ends after
 * {@code limit} messages (0: never) or when told to stop, after which it still reads to the end it sees.
 */
final class Follow implements Runnable {
    final Thread thread;
    private final ChronicleQueue queue;
    private final Path path;
    private final boolean fromEnd;
    private final long limit;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(24 * 4096).order(ByteOrder.LITTLE_ENDIAN);
    volatile boolean stop;
    volatile boolean ready;
    volatile long seen;
    volatile long lastIndex = -1;
    volatile Throwable failure;

    Follow(ChronicleQueue queue, String path, boolean fromEnd, long limit) {
        this.queue = queue;
        this.path = Paths.get(path);
        this.fromEnd = fromEnd;
        this.limit = limit;
        this.thread = new Thread(this, "follow");
        this.thread.setDaemon(true);
    }

    @Override
    public void run() {
        try (FileChannel out = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING)) {
            ExcerptTailer tailer = queue.createTailer();
            if (fromEnd)
                tailer.toEnd();
            ready = true;
            int idle = 0;
            while (limit == 0 || seen < limit) {
                boolean last = stop;
                if (record(tailer)) {
                    idle = 0;
                    if (!buffer.hasRemaining())
                        flush(out);
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
        } catch (Throwable t) {
            failure = t;
        } finally {
            ready = true;
        }
    }

    private boolean record(ExcerptTailer tailer) {
        try (DocumentContext context = tailer.readingDocument()) {
            if (!context.isPresent())
                return false;
            Bytes<?> bytes = context.wire().bytes();
            long size = bytes.readRemaining();
            long position = bytes.readPosition();
            lastIndex = context.index();
            buffer.putLong(lastIndex);
            buffer.putLong(size < 16 ? -1 : bytes.readLong(position));
            buffer.putLong(size < 16 ? size : bytes.readLong(position + 8));
            seen++;
            return true;
        }
    }

    private void flush(FileChannel out) throws java.io.IOException {
        buffer.flip();
        while (buffer.hasRemaining())
            out.write(buffer);
        buffer.clear();
    }
}
