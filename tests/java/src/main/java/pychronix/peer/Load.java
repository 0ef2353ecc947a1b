package pychronix.peer;

import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.locks.LockSupport;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.bytes.BytesStore;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;

/**
 * A background writer: {@code count} generated messages with its own appender, acknowledged one by one.
 *
 * <p>An acknowledgement is one {@code write(2)} of the line {@code ack <counter> <index>\n} to the given file, made
 * after the append has returned: what a killed process has acknowledged can be read from the file afterwards.
 */
final class Load implements Runnable {
    final Thread thread;
    private final ChronicleQueue queue;
    private final long writer;
    private final long first;
    private final long count;
    private final double perSecond;
    private final Payload payload;
    private final String ackPath;
    volatile boolean stop;
    volatile long appended;
    volatile long lastIndex = -1;
    volatile long nanos;
    volatile Throwable failure;

    Load(ChronicleQueue queue, long writer, long first, long count, double perSecond, String sizes, String ackPath) {
        this.queue = queue;
        this.writer = writer;
        this.first = first;
        this.count = count;
        this.perSecond = perSecond;
        this.payload = new Payload(sizes);
        this.ackPath = ackPath;
        this.thread = new Thread(this, "load-" + writer);
        this.thread.setDaemon(true);
    }

    @Override
    public void run() {
        long start = System.nanoTime();
        try (OutputStream acks = ackPath == null ? null : new FileOutputStream(ackPath, true)) {
            ExcerptAppender appender = Compat.appender(queue);
            Bytes<byte[]> bytes = Bytes.wrapForRead(payload.bytes());
            for (long counter = first; counter < first + count && !stop; counter++) {
                if (perSecond > 0)
                    pace(start + (long) ((counter - first) * 1e9 / perSecond));
                bytes.readPositionRemaining(0, payload.fill(writer, counter));
                appender.writeBytes((BytesStore) bytes);
                lastIndex = appender.lastIndexAppended();
                appended++;
                if (acks != null)
                    acks.write(("ack " + counter + " " + lastIndex + "\n").getBytes(StandardCharsets.US_ASCII));
            }
            Compat.close(appender);
        } catch (Throwable t) {
            failure = t;
        } finally {
            nanos = System.nanoTime() - start;
        }
    }

    private static void pace(long due) {
        for (long left; (left = due - System.nanoTime()) > 0; )
            if (left > 100_000)
                LockSupport.parkNanos(left - 60_000);
            else
                Thread.onSpinWait();
    }
}
