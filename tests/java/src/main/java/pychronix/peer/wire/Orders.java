package pychronix.peer.wire;

import java.io.IOException;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.RollCycles;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.SelfDescribingMarshallable;

/**
 * Documents of one class, written and read in a measured loop. Each verb takes {@code dir}, a FAST_DAILY queue, and answers
 * {@code ns}; files are opened outside of it.
 *
 * <pre>
 * write    count     documents of Order numbers 0..count-1, by writeDocument
 * events   count     method calls trade(symbol, number)
 * read               all documents, by readDocument, into one Order: count, sum of id, qty and the texts' lengths
 * </pre>
 */
public final class Orders extends Lines {
    private static final String[] SYMBOLS = {"EURUSD", "USDJPY", "GBPUSD", "AUDUSD", "USDCHF", "USDCAD", "NZDUSD"};

    /** What one document holds: a field of every usual kind. */
    public static final class Order extends SelfDescribingMarshallable {
        long id;
        String side;
        String symbol;
        double px;
        int qty;
        long ts;
        boolean live;
        String venue;

        /** The order of this number; the Python side makes the same. */
        void set(int number) {
            id = (1L << 40) + 1 + number;
            side = number % 2 == 0 ? "BUY" : "SELL";
            symbol = SYMBOLS[number % SYMBOLS.length];
            px = 1 + number % 1000 / 100.0;
            qty = 100 + number % 900;
            ts = 1_000_000_000_000_000_001L + number * 1000L;
            live = number % 3 != 0;
            venue = number % 5 == 0 ? null : "EBS";
        }

        long sum() {
            return id + qty + side.length() + symbol.length() + (venue == null ? 0 : venue.length());
        }
    }

    /** An event with two scalars. */
    public interface Trades {
        void trade(String symbol, long number);
    }

    public static void main(String[] args) throws IOException {
        new Orders().serve();
    }

    private ChronicleQueue queue() {
        return SingleChronicleQueueBuilder.single(get("dir")).rollCycle(RollCycles.FAST_DAILY).build();
    }

    @Override
    void handle(String verb) {
        int count = Integer.parseInt(get("count", "0"));
        long begun;
        try (ChronicleQueue queue = queue()) {
            switch (verb) {
                case "write": {
                    ExcerptAppender appender = queue.createAppender();
                    Order order = new Order();
                    begun = System.nanoTime();
                    for (int number = 0; number < count; number++) {
                        order.set(number);
                        appender.writeDocument(order);
                    }
                    put("ns", System.nanoTime() - begun);
                    break;
                }
                case "events": {
                    ExcerptAppender appender = queue.createAppender();
                    Trades trades = appender.methodWriter(Trades.class);
                    begun = System.nanoTime();
                    for (int number = 0; number < count; number++)
                        trades.trade(SYMBOLS[number % SYMBOLS.length], number);
                    put("ns", System.nanoTime() - begun);
                    break;
                }
                case "read": {
                    ExcerptTailer tailer = queue.createTailer();
                    Order order = new Order();
                    long sum = 0;
                    int found = 0;
                    begun = System.nanoTime();
                    while (tailer.readDocument(order)) {
                        found++;
                        sum += order.sum();
                    }
                    put("ns", System.nanoTime() - begun);
                    put("count", found);
                    put("sum", sum);
                    break;
                }
                default:
                    throw new IllegalArgumentException(verb);
            }
        }
    }
}
