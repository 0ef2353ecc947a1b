package pychronix.peer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Generated messages, reproducible from (writer, counter, size spec) alone; tests/fix_java.py holds the same formula.
 *
 * <p>Message {@code counter} of {@code writer}: 8 bytes LE writer, 8 bytes LE counter, then filler byte j =
 * {@code (start + j) % 251} with {@code start = (writer * 17 + counter * 31) % 251}; the whole is cut to its size.
 *
 * <p>Size spec: comma-separated items, each {@code N} or {@code LO-HI}; item {@code counter % items} applies, a range
 * gives {@code LO + ((counter * 2654435761) mod 2^32) % (HI - LO + 1)}.
 */
final class Payload {
    private static final int PERIOD = 251;

    private final int[] low;
    private final int[] high;
    private final byte[] pattern;
    private final byte[] message;
    private final ByteBuffer view;

    Payload(String spec) {
        String[] items = spec.split(",");
        low = new int[items.length];
        high = new int[items.length];
        int max = 16;
        for (int i = 0; i < items.length; i++) {
            int dash = items[i].indexOf('-');
            low[i] = Integer.parseInt(dash < 0 ? items[i] : items[i].substring(0, dash));
            high[i] = dash < 0 ? low[i] : Integer.parseInt(items[i].substring(dash + 1));
            if (low[i] < 0 || high[i] < low[i])
                throw new IllegalArgumentException("size spec " + spec);
            max = Math.max(max, high[i]);
        }
        pattern = new byte[PERIOD + max];
        for (int i = 0; i < pattern.length; i++)
            pattern[i] = (byte) (i % PERIOD);
        message = new byte[max];
        view = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
    }

    int size(long counter) {
        int item = (int) (counter % low.length);
        long span = high[item] - low[item] + 1L;
        return span == 1 ? low[item] : (int) (low[item] + ((counter * 2654435761L) & 0xFFFFFFFFL) % span);
    }

    /** Fills {@link #bytes()} with the message and returns its size. */
    int fill(long writer, long counter) {
        int size = size(counter);
        view.putLong(0, writer);
        view.putLong(8, counter);
        if (size > 16)
            System.arraycopy(pattern, (int) ((writer * 17 + counter * 31) % PERIOD), message, 16, size - 16);
        return size;
    }

    byte[] bytes() {
        return message;
    }
}
