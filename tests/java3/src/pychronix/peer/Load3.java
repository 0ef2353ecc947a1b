package pychronix.peer;

import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.locks.LockSupport;
import net.openhft.affinity.AffinitySupport;
import net.openhft.chronicle.Chronicle;
import net.openhft.chronicle.ExcerptAppender;

/**
 * A background writer: {@code count} generated messages with its own appender and thread, acknowledged one by one.
 *
 * <p>An acknowledgement is one {@code write(2)} of the line {@code ack <counter> <index>\n} to the given file, made
 * after {@code finish()} has returned: what a killed process has acknowledged can be read from the file afterwards.
 */
final class Load3 implements Runnable {
    final Thread thread;
    private final Chronicle chronicle;
    private final long writer;
    private final long first;
    private final long count;
    private final double perSecond;
    private final Payload payload;
    private final String ackPath;
    private final long capacity;
    volatile boolean stop;
    volatile long appended;
    volatile long lastIndex = -1;
    volatile long nanos;
    volatile int tid = -1;
    volatile Throwable failure;

    Load3(Chronicle chronicle, long writer, long first, long count, double perSecond, String sizes, String ackPath,
            long capacity) {
        this.chronicle = chronicle;
        this.writer = writer;
        this.first = first;
        this.count = count;
        this.perSecond = perSecond;
        this.payload = new Payload(sizes);
        this.ackPath = ackPath;
        this.capacity = capacity;
        this.thread = new Thread(this, "load-" + writer);
        this.thread.setDaemon(true);
    }

    @Override
    public void run() {
        long start = System.nanoTime();
        try (OutputStream acks = ackPath == null ? null : new FileOutputStream(ackPath, true)) {
            tid = AffinitySupport.getThreadId();
            ExcerptAppender appender = chronicle.createAppender();
            for (long counter = first; counter < first + count && !stop; counter++) {
                if (perSecond > 0)
                    pace(start + (long) ((counter - first) * 1e9 / perSecond));
                int size = payload.fill(writer, counter);
                appender.startExcerpt(Math.max(size, capacity));
                appender.write(payload.bytes(), 0, size);
                appender.finish();
                lastIndex = appender.lastWrittenIndex();
                appended++;
                if (acks != null)
                    acks.write(("ack " + counter + " " + lastIndex + "\n").getBytes(StandardCharsets.US_ASCII));
            }
            appender.close();
        } catch (Throwable t) {
            failure = t;
            t.printStackTrace();
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
