package pychronix.peer.wire;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Paths;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import net.openhft.chronicle.bytes.MethodId;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.queue.reader.ChronicleReader;
import net.openhft.chronicle.wire.DocumentContext;
import net.openhft.chronicle.wire.MessageHistory;
import net.openhft.chronicle.wire.SelfDescribingMarshallable;
import net.openhft.chronicle.wire.VanillaMessageHistory;
import net.openhft.chronicle.wire.WireType;

/**
 * Queues of documents of every kind, and what Java's own ChronicleReader prints of a queue.
 *
 * <pre>
 * make dir=… [source=7] [clock=ms] [block=bytes]
 *                         appends one document of each kind; a row (what it is) for each. With a source id every call
 *                         has a history; the clock stands still
 * show dir=… [wire=TEXT]  a row (index, "text" or "error", what) for each: what ChronicleReaderMain prints (-w wire)
 * </pre>
 */
public final class Mixed extends Lines {
    enum Side { BUY, SELL }

    /** A field of every kind that a DTO usually has. */
    static final class AllFields extends SelfDescribingMarshallable {
        boolean flag = true;
        byte tiny = -128;
        short small = 32767;
        char letter = 'z';
        int number = -1234567;
        int unsigned = 200;
        long big = Long.MIN_VALUE;
        long coded = 1L << 62;
        float single = 1.5f;
        double real = 0.1;
        double nan = Double.NaN;
        double infinite = Double.NEGATIVE_INFINITY;
        String text = "h\u00e9llo \ud83d\ude00: 'quoted' \"twice\"\n\tnext";
        String looksLikeNumber = "12";
        String empty = "";
        String nothing;
        Side side = Side.SELL;
        LocalDate date = LocalDate.of(2024, 2, 29);
        LocalTime time = LocalTime.of(23, 59, 58, 123_456_789);
        LocalDateTime dateTime = LocalDateTime.of(2024, 2, 29, 12, 0, 1);
        ZonedDateTime zoned = ZonedDateTime.of(2024, 2, 29, 12, 0, 0, 0, ZoneId.of("Europe/London"));
        byte[] blob = {0, 1, -2, 127};
        int[] ints = {1, 2, 3};
        double[] doubles = {0.5, -1e300};
        List<String> words = new ArrayList<>(Arrays.asList("one", "two: three", null));
        Map<String, Object> map = new TreeMap<>();
        BigDecimal decimal = new BigDecimal("12345678901234567890.123");
        BigInteger integer = BigInteger.ONE.shiftLeft(100);
        Class<?> type = String.class;
        Leg leg = new Leg("EUR/USD", 1.0837, null);
        List<Leg> legs = new ArrayList<>(Arrays.asList(new Leg("a", 1, Side.BUY), new Leg("b", -2.25, Side.SELL)));

        AllFields() {
            map.put("list", Arrays.asList(1, 2L, 3.5));
            map.put("key with spaces", true);
            map.put("nested", Collections.singletonMap("a", "b"));
        }
    }

    static final class Leg extends SelfDescribingMarshallable {
        String symbol;
        double price;
        Side side;

        Leg(String symbol, double price, Side side) {
            this.symbol = symbol;
            this.price = price;
            this.side = side;
        }
    }

    interface Calls {
        void none();

        void say(String text);

        void number(long value);

        void real(double value);

        void side(Side side);

        void two(String name, int value);

        void leg(Leg leg);

        void legs(List<Leg> legs);

        void bytes(byte[] data);

        void object(Object value);

        @MethodId(77)
        void byNumber(String text);

        Chained via(String route);
    }

    interface Chained {
        void end(Leg leg);
    }

    public static void main(String[] args) throws IOException {
        new Mixed().serve();
    }

    private SingleChronicleQueueBuilder queue(String directory) {
        SingleChronicleQueueBuilder builder = ChronicleQueue.singleBuilder(directory);
        int source = Integer.parseInt(get("source", "0"));
        if (source != 0)
            builder.sourceId(source);
        long clock = Long.parseLong(get("clock", "0"));
        if (clock != 0)
            builder.timeProvider(() -> clock);
        int block = Integer.parseInt(get("block", "0"));
        return block == 0 ? builder : builder.blockSize(block);
    }

    @Override
    void handle(String verb) {
        switch (verb) {
            case "make":
                try (ChronicleQueue queue = queue(get("dir")).build()) {
                    make(queue.createAppender());
                }
                break;
            case "show":
                show(get("dir"), WireType.valueOf(get("wire", "TEXT")));
                break;
            default:
                throw new IllegalArgumentException(verb);
        }
    }

    /** One reader for each excerpt: what it cannot show must not end the rest. */
    private void show(String directory, WireType wire) {
        List<Long> indexes = new ArrayList<>();
        try (ChronicleQueue queue = queue(directory).readOnly(true).build()) {
            ExcerptTailer tailer = queue.createTailer();
            for (DocumentContext dc; (dc = tailer.readingDocument()).isPresent(); dc.close())
                indexes.add(dc.index());
        }
        for (long index : indexes) {
            RuntimeException enough = new RuntimeException("one was printed");
            String[] printed = {""};
            try {
                new ChronicleReader().withBasePath(Paths.get(directory)).withStartIndex(index).withWireType(wire)
                    .suppressDisplayIndex().withMessageSink(text -> {
                        printed[0] = text;
                        throw enough;
                    }).execute();
                row(index, "text", "");
            } catch (RuntimeException thrown) {
                if (thrown == enough)
                    row(index, "text", printed[0]);
                else
                    row(index, "error", thrown);
            }
        }
    }

    private void note(String what) {
        row(what);
    }

    private void make(ExcerptAppender appender) {
        appender.writeText("a text");
        note("text");
        appender.writeText("two\nlines: \u20ac");
        note("text of two lines");

        Map<String, Object> map = new LinkedHashMap<>();
        map.put("key", "value");
        map.put("int", 1);
        map.put("long", 1L << 40);
        map.put("double", 2.5);
        map.put("null", null);
        map.put("flag", false);
        map.put("12", "a key like a number");
        appender.writeMap(map);
        note("map");

        appender.writeDocument(new AllFields());
        note("object");

        appender.writeDocument(wire -> {
            wire.write("b").bool(true).write("i8").int8(-5).write("i16").int16(-300).write("i32").int32(70000)
                .write("i64").int64(Long.MAX_VALUE).write("u8").uint8(200).write("u16").uint16(60000)
                .write("u32").uint32(4_000_000_000L).write("f32").float32(1.25f).write("f64").float64(Math.PI)
                .write("text").text("a\"b").write("none").text((String) null)
                .write("date").date(LocalDate.of(1969, 12, 31)).write("time").time(LocalTime.of(1, 2, 3))
                .write("typed").typePrefix("!Strange").text("body")
                .write("type").typeLiteral("some.Unknown")
                .write("bytes").bytes(new byte[] {1, 2, 3})
                .write("seq").sequence(out -> {
                    out.int32(1);
                    out.text("x");
                    out.float64(0.5);
                    out.object(null);
                })
                .write("map").marshallable(out -> out.write("a").int32(1).write("deep").marshallable(
                    deeper -> deeper.write("list").sequence(list -> {
                        list.text("p");
                        list.text("q");
                    })));
        });
        note("fields");

        try (DocumentContext dc = appender.writingDocument()) {
            dc.wire().getValueOut().int64(1L << 50);
            dc.wire().getValueOut().text("behind it");
        }
        note("bare values");
        try (DocumentContext dc = appender.writingDocument()) {
            dc.wire().writeComment("a remark");
            dc.wire().write("after").int32(1);
            dc.wire().addPadding(3);
            dc.wire().write("padded").int32(2);
        }
        note("comment and padding");
        appender.writeDocument(wire -> wire.write("id").uuid(new UUID(0x0123456789abcdefL, 0xfedcba9876543210L)));
        note("uuid");

        call(appender);
        if (!get("source", "0").equals("0"))
            callWithHistory(appender);
        appender.writeBytes(bytes -> bytes.write("plain bytes".getBytes(StandardCharsets.UTF_8)));
        note("plain text");
        appender.writeBytes(bytes -> bytes.write("{\"json\": [1, 2.5, null]}".getBytes(StandardCharsets.UTF_8)));
        note("json");
        appender.writeBytes(bytes -> bytes.write("a: 1\nb: [ x, y ]\n".getBytes(StandardCharsets.UTF_8)));
        note("yaml");
        appender.writeText("the last");
        note("text");
    }

    /** A call that another queue's message caused. */
    private void callWithHistory(ExcerptAppender appender) {
        VanillaMessageHistory history = new VanillaMessageHistory();
        history.addSourceDetails(true);
        history.reset(3, 0x123400000005L);
        MessageHistory.set(history);
        try {
            appender.methodWriter(Calls.class).say("with a history");
            note("history");
        } finally {
            MessageHistory.set(null);
        }
    }

    private void call(ExcerptAppender appender) {
        Calls calls = appender.methodWriter(Calls.class);
        calls.none();
        note("call of none");
        calls.say("hello: world");
        note("call of a text");
        calls.say(null);
        note("call of null");
        calls.number(-1L << 35);
        note("call of a long");
        calls.real(1e-7);
        note("call of a double");
        calls.side(Side.BUY);
        note("call of an enum");
        calls.two("a", 3);
        note("call of two");
        calls.leg(new Leg("GBP/USD", 1.25, Side.BUY));
        note("call of an object");
        calls.legs(Arrays.asList(new Leg("x", 1, null), new Leg("y", 2, Side.SELL)));
        note("call of a list");
        calls.bytes(new byte[] {0, 1, 2, (byte) 200});
        note("call of bytes");
        calls.object(new Leg("as an object", 3, null));
        note("call of an object by its interface");
        calls.object(LocalDate.of(2030, 1, 2));
        note("call of a date");
        calls.byNumber("by its number");
        note("call by number");
        calls.via("route").end(new Leg("chained", 4, Side.SELL));
        note("chained call");
    }
}
