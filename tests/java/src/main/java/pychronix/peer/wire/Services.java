package pychronix.peer.wire;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.openhft.chronicle.bytes.MethodId;
import net.openhft.chronicle.bytes.MethodReader;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.MessageHistory;
import net.openhft.chronicle.wire.SelfDescribingMarshallable;

/**
 * Services that talk through method writers and readers of Java.
 *
 * <pre>
 * write   path source                   calls the methods of Api with the arguments of script()
 * bridge  path source to to_source      reads all with a method reader whose handler calls a method writer of the other
 *                                       queue; rows as of read
 * read    path source                   a row for each call that a method reader makes, with the history at that moment:
 *                                       "say hi @ 7=4660 #2 ordered" is source 7, index 4660, two timings in order
 * </pre>
 */
public final class Services extends Lines {
    private Services() {
    }

    public enum Color {
        RED, GREEN
    }

    public static class Order extends SelfDescribingMarshallable {
        int id;
        double px;
        String name;
        long ts;
        Color color;
        boolean live;
        List<String> tags = new ArrayList<>();

        static Order of(int id, double px, String name, long ts, Color color, boolean live, String... tags) {
            Order order = new Order();
            order.id = id;
            order.px = px;
            order.name = name;
            order.ts = ts;
            order.color = color;
            order.live = live;
            order.tags.addAll(Arrays.asList(tags));
            return order;
        }

        String told() {
            return id + "," + px + "," + name + "," + ts + "," + color + "," + live + "," + tags;
        }
    }

    public static class BigOrder extends Order {
        int quantity;
    }

    public interface Via {
        void end(String text);
    }

    public interface Api {
        void nothing();

        void say(String text);

        void num(int number);

        void big(long number);

        void dbl(double number);

        void flag(boolean flag);

        void two(String text, int number);

        void color(Color color);

        void order(Order order);

        void any(Object value);

        void names(List<String> names);

        @MethodId(5)
        void byId(String text);

        Via via(String name);
    }

    static void script(Api api) {
        api.nothing();
        api.say("hi");
        api.say(null);
        api.num(7);
        api.num(-70_000);
        api.big(1L << 40);
        api.big(Long.MAX_VALUE);
        api.dbl(1.5);
        api.dbl(1e100);
        api.flag(true);
        api.two("a", 3);
        api.color(Color.GREEN);
        api.order(Order.of(1, 2.25, "first", 1L << 50, Color.RED, true, "x", "y"));
        BigOrder big = new BigOrder();
        big.id = 9;
        big.quantity = 12;
        api.order(big);
        api.any(Order.of(2, -1, null, 0, null, false));
        api.any("text");
        api.names(new ArrayList<>(Arrays.asList("n1", "n2")));
        api.byId("id");
        api.via("r1").end("e");
    }

    /** Tells each call, with the history at that moment, and hands it on. */
    static final class Teller implements Api, Via {
        final List<String> calls = new ArrayList<>();
        final Api next;
        private Via chain;

        Teller(Api next) {
            this.next = next;
        }

        private void told(String call) {
            MessageHistory history = MessageHistory.get();
            StringBuilder text = new StringBuilder(call).append(" @");
            for (int i = 0; i < history.sources(); i++)
                text.append(' ').append(history.sourceId(i)).append('=').append(history.sourceIndex(i));
            text.append(" #").append(history.timings());
            boolean ordered = true;
            for (int i = 1; i < history.timings(); i++)
                ordered &= history.timing(i - 1) <= history.timing(i);
            calls.add(text.append(ordered ? " ordered" : " disordered").toString());
        }

        @Override public void nothing() {
            told("nothing");
            if (next != null) next.nothing();
        }

        @Override public void say(String text) {
            told("say " + text);
            if (next != null) next.say(text);
        }

        @Override public void num(int number) {
            told("num " + number);
            if (next != null) next.num(number);
        }

        @Override public void big(long number) {
            told("big " + number);
            if (next != null) next.big(number);
        }

        @Override public void dbl(double number) {
            told("dbl " + number);
            if (next != null) next.dbl(number);
        }

        @Override public void flag(boolean flag) {
            told("flag " + flag);
            if (next != null) next.flag(flag);
        }

        @Override public void two(String text, int number) {
            told("two " + text + " " + number);
            if (next != null) next.two(text, number);
        }

        @Override public void color(Color color) {
            told("color " + color);
            if (next != null) next.color(color);
        }

        @Override public void order(Order order) {
            String more = order instanceof BigOrder ? "," + ((BigOrder) order).quantity : "";
            told("order " + order.told() + more);
            if (next != null) next.order(order);
        }

        @Override public void any(Object value) {
            told("any " + (value instanceof Order ? "Order " + ((Order) value).told() : value));
            if (next != null) next.any(value);
        }

        @Override public void names(List<String> names) {
            told("names " + names);
            if (next != null) next.names(names);
        }

        @Override public void byId(String text) {
            told("byId " + text);
            if (next != null) next.byId(text);
        }

        @Override public Via via(String name) {
            told("via " + name);
            if (next != null) chain = next.via(name);
            return this;
        }

        @Override public void end(String text) {
            told("end " + text);
            if (next != null) chain.end(text);
        }
    }

    private ChronicleQueue open(String directory, String sourceId) {
        return SingleChronicleQueueBuilder.binary(get(directory)).sourceId(Integer.parseInt(get(sourceId))).build();
    }

    private void readAll(ChronicleQueue queue, Api next) {
        Teller teller = new Teller(next);
        MethodReader reader = queue.createTailer().methodReader(teller);
        while (reader.readOne()) {
            // All that there is.
        }
        for (String call : teller.calls)
            row(call);
    }

    @Override
    void handle(String verb) {
        switch (verb) {
            case "write":
                try (ChronicleQueue queue = open("path", "source")) {
                    script(queue.methodWriter(Api.class));
                }
                break;
            case "bridge":
                try (ChronicleQueue in = open("path", "source"); ChronicleQueue out = open("to", "to_source")) {
                    readAll(in, out.methodWriter(Api.class));
                }
                break;
            case "read":
                try (ChronicleQueue queue = open("path", "source")) {
                    readAll(queue, null);
                }
                break;
            default:
                throw new IllegalArgumentException("unknown verb " + verb);
        }
    }

    public static void main(String[] args) throws IOException {
        new Services().serve();
    }
}
