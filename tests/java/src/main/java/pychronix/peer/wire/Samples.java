package pychronix.peer.wire;

import java.io.IOException;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.bytes.BytesIn;
import net.openhft.chronicle.bytes.BytesMarshallable;
import net.openhft.chronicle.bytes.BytesOut;
import net.openhft.chronicle.bytes.MethodId;
import net.openhft.chronicle.core.pool.ClassAliasPool;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.DocumentContext;
import net.openhft.chronicle.wire.MarshallableOut;
import net.openhft.chronicle.wire.MessageHistory;
import net.openhft.chronicle.wire.SelfDescribingMarshallable;
import net.openhft.chronicle.wire.VanillaMessageHistory;
import net.openhft.chronicle.wire.WireOut;
import net.openhft.chronicle.wire.WireType;

/**
 * A queue of documents of every kind, and of each, field by field, the Java object that it was made of.
 *
 * <pre>
 * write dir=… [wire=BINARY_LIGHT source=0 seed=1 numbers=100 ascii=0]   rows: document name path type value
 * </pre>
 *
 * <p>document counts from 0; a path has its steps behind slashes, a number with # for an item; types are {@code null bool
 * int float double text bytes time date date_time zoned uuid class list map opaque}, of list and map the value is the size,
 * of float and double the bits of the double. The row {@code name history} comes first where the document has a history.
 */
public final class Samples extends Lines {
    enum Side { BUY, SELL }

    static class Base extends SelfDescribingMarshallable {
        String inherited = "first";
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

    static final class Blob implements BytesMarshallable {
        int a = 1;
        long b = 2;
        String c = "hi";
        double d = 1.5;

        @Override
        @SuppressWarnings("rawtypes")
        public void writeMarshallable(BytesOut bytes) {
            bytes.writeInt(a);
            bytes.writeLong(b);
            bytes.writeUtf8(c);
            bytes.writeDouble(d);
        }

        @Override
        @SuppressWarnings("rawtypes")
        public void readMarshallable(BytesIn bytes) {
            a = bytes.readInt();
            b = bytes.readLong();
            c = bytes.readUtf8();
            d = bytes.readDouble();
        }
    }

    static final class All extends Base {
        boolean yes = true;
        boolean no;
        byte i8 = -128;
        short i16 = -32768;
        char letter = 'z';
        int i32 = Integer.MIN_VALUE;
        int small = 200;
        long i64 = Long.MAX_VALUE;
        long exact = 1L << 40;
        float f32 = -1.5f;
        float third = 1 / 3f;
        double f64 = Math.PI;
        double tenth = 0.1;
        double nan = Double.NaN;
        double huge = -1e300;
        String text = "h\u00e9llo \ud83d\ude00\n";
        String empty = "";
        String nothing;
        String looksLikeNumber = "12";
        Side side = Side.SELL;
        Side noSide;
        byte[] data = {1, 2, -3};
        byte[] noData = {};
        int[] ints = {1, -70000, 3};
        long[] longs = {1L << 50, -1};
        double[] doubles = {0.5, 1e-7};
        String[] words = {"a", null, "c"};
        List<String> list = new ArrayList<>(Arrays.asList("x", "y"));
        List<Leg> legs = new ArrayList<>(Arrays.asList(new Leg("EURUSD", 1.0837, Side.BUY), new Leg(null, -2, null)));
        Map<String, Object> map = new LinkedHashMap<>();
        Leg leg = new Leg("one", 1.25, Side.SELL);
        Object any = new Leg("any", 3, null);
        LocalTime time = LocalTime.of(23, 59, 58, 123_456_789);
        LocalDate date = LocalDate.of(2024, 2, 29);
        LocalDateTime dateTime = LocalDateTime.of(2024, 2, 29, 0, 0);
        ZonedDateTime zoned = ZonedDateTime.of(2024, 7, 1, 12, 0, 0, 500_000_000, ZoneId.of("America/New_York"));
        UUID uuid = new UUID(0x0102030405060708L, 0x090a0b0c0d0e0f10L);
        BigDecimal decimal = new BigDecimal("1.50");
        BigInteger integer = BigInteger.ONE.shiftLeft(80);
        Class<?> type = String.class;

        All() {
            map.put("k1", 1);
            map.put("k2", "v");
            map.put("k3", new ArrayList<>(Arrays.asList(1L, 2.5)));
        }
    }

    interface Calls {
        void none();

        void say(String text);

        void flag(boolean value);

        void number(long value);

        void small(int value);

        void real(double value);

        void two(String text, int number);

        void three(String text, Side side, Leg leg);

        void leg(Leg leg);

        void any(Object object);

        void side(Side side);

        void list(List<Leg> legs);

        void data(byte[] data);

        @MethodId(5)
        void numbered(String text);

        Calls via(String name);
    }

    private int document;
    private boolean ascii;

    public static void main(String[] args) throws IOException {
        new Samples().serve();
    }

    @Override
    void handle(String verb) throws Throwable {
        document = 0;
        ascii = get("ascii", "0").equals("1");
        try (ChronicleQueue queue = SingleChronicleQueueBuilder.binary(get("dir"))
            .wireType(WireType.valueOf(get("wire", "BINARY_LIGHT"))).sourceId(Integer.parseInt(get("source", "0"))).build()) {
            ExcerptAppender appender = appender(queue);
            texts(appender);
            whole(appender);
            items(appender);
            numbers(appender, new Random(Long.parseLong(get("seed", "1"))), Integer.parseInt(get("numbers", "100")));
            calls(appender, !get("source", "0").equals("0"));
        }
    }

    private static ExcerptAppender appender(ChronicleQueue queue) throws ReflectiveOperationException {
        try {
            return (ExcerptAppender) ChronicleQueue.class.getMethod("createAppender").invoke(queue);
        } catch (NoSuchMethodException older) {
            return (ExcerptAppender) ChronicleQueue.class.getMethod("acquireAppender").invoke(queue);
        }
    }

    private void texts(ExcerptAppender appender) {
        StringBuilder longText = new StringBuilder();
        for (int i = 0; i < 300; i++)
            longText.append((char) ('a' + i % 26));
        String foreign = ascii ? "plain" : "\u20ac\ud83d\ude00";
        for (String text : new String[] {"hello", "", foreign, "{not: yaml", longText.toString()}) {
            appender.writeText(text);
            expect("text", text);
        }
    }

    private void whole(ExcerptAppender appender) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("int", 1);
        map.put("long", -5L);
        map.put("short", (short) 7);
        map.put("byte", (byte) -7);
        map.put("double", 1.5);
        map.put("float", 2.5f);
        map.put("bool", true);
        map.put("text", "t");
        map.put("null", null);
        map.put("list", new ArrayList<>(Arrays.asList(1, "two", null, 4.0)));
        map.put("map", new LinkedHashMap<>(Collections.singletonMap("inner", 9L)));
        map.put("set", new LinkedHashSet<>(Arrays.asList("a", "b")));
        map.put("bytes", new byte[] {9, 8});
        map.put("ints", new int[] {1, 2, 3});
        map.put("date", LocalDate.of(1, 1, 1));
        map.put("time", LocalTime.MIDNIGHT);
        map.put("dateTime", LocalDateTime.of(9999, 12, 31, 23, 59, 59, 999_999_999));
        map.put("zoned", ZonedDateTime.of(2024, 10, 27, 2, 30, 0, 0, ZoneId.of("Europe/Berlin")).withLaterOffsetAtOverlap());
        map.put("offset", ZonedDateTime.of(2024, 1, 1, 0, 0, 0, 0, ZoneOffset.ofHours(-3)));
        map.put("uuid", new UUID(-1, 1));
        map.put("unit", TimeUnit.SECONDS);
        map.put("decimal", new BigDecimal("12345678901234567890.5"));
        map.put("integer", BigInteger.TEN.pow(30));
        map.put("leg", new Leg("s", 0, Side.BUY));
        appender.writeMap(map);
        expect("map", map);
        All all = new All();
        if (ascii)
            all.text = "plain";
        appender.writeDocument(all);
        expect("document", all);
        appender.writeMessage(() -> "evt", new Leg("m", 1, null));
        expect("message", Collections.singletonMap("evt", new Leg("m", 1, null)));
        fields(appender, "blob", wire -> wire.write("b").object(new Blob()).write("after").int32(1), "b", new Blob(), "after", 1);
    }

    /** Items that a program writes by itself. */
    private void items(ExcerptAppender appender) {
        fields(appender, "comment", wire -> wire.writeComment("why").write("a").int8((byte) 5), "a", 5);
        fields(appender, "hex", wire -> wire.write("x").int64_0x(255), "x", 255L);
        fields(appender, "padding", wire -> {
            wire.write("a").int32(1);
            wire.addPadding(3);
            wire.write("b").int32(2);
            wire.addPadding(20);
            wire.write("c").int32(3);
        }, "a", 1, "b", 2, "c", 3);
        fields(appender, "bound", wire -> {
            wire.write("a").int64forBinding(7);
            wire.write("b").int32forBinding(-8);
            wire.write("c").text("end");
        }, "a", 7L, "b", -8, "c", "end");
        fields(appender, "numeric names", wire -> wire.write("12").text("x").write("a").text("y"), "12", "x", "a", "y");
        fields(appender, "long name", wire -> wire.write("a name of more than thirty-one characters").bool(false),
            "a name of more than thirty-one characters", false);
        fields(appender, "fixed", wire -> {
            wire.write("b").fixedInt8((byte) 1);
            wire.write("s").fixedInt16((short) 1);
            wire.write("i").fixedInt32(1);
            wire.write("l").fixedInt64(1);
            wire.write("f").fixedFloat32(1);
            wire.write("d").fixedFloat64(1);
        }, "b", 1, "s", 1, "i", 1, "l", 1, "f", 1f, "d", 1.0);
        fields(appender, "type", wire -> wire.write("t").typeLiteral("some.Unknown").write("p").typePrefix("some.Unknown").text("v"),
            "t", new TypeName("some.Unknown"), "p", "v");
        fields(appender, "unsigned", wire -> wire.write("a").uint8(255).write("b").uint16(65535).write("c").uint32(4294967295L),
            "a", 255, "b", 65535, "c", 4294967295L);
        byte[] large = new byte[1000];
        Arrays.fill(large, (byte) 'x');
        fields(appender, "bytes", wire -> wire.write("b").bytes(Bytes.wrapForRead(large)).write("a").bytes(large), "b", large, "a", large);
        fields(appender, "sequence", wire -> wire.write("s").sequence(out -> {
            out.int32(1);
            out.text("two");
            out.sequence(inner -> inner.bool(true));
            out.marshallable(inner -> inner.write("k").float64(0.25));
        }), "s", Arrays.asList(1, "two", Collections.singletonList(true), Collections.singletonMap("k", 0.25)));
    }

    /** Numbers of every width and form. */
    private void numbers(ExcerptAppender appender, Random random, int count) {
        for (int i = 0; i < count; i++) {
            long l = random.nextLong() >> random.nextInt(64);
            int n = random.nextInt() >> random.nextInt(32);
            long f = (long) random.nextInt(1 << 24) << random.nextInt(40);
            double scaled = (random.nextInt(2_000_000) - 1_000_000) / Math.pow(10, random.nextInt(8));
            double d = Double.longBitsToDouble(random.nextLong());
            float g = Float.intBitsToFloat(random.nextInt());
            float h = (random.nextInt(20_000) - 10_000) / 100f;
            fields(appender, "numbers", wire -> {
                wire.write("l").int64(l);
                wire.write("n").int32(n);
                wire.write("f").int64(f);
                wire.write("scaled").float64(scaled);
                wire.write("d").float64(d);
                wire.write("g").float32(g);
                wire.write("h").float32(h);
                wire.write("whole").float64(Math.rint(scaled));
            }, "l", l, "n", n, "f", f, "scaled", scaled, "d", d, "g", g, "h", h, "whole", Math.rint(scaled));
        }
    }

    /** A method writer that records histories, which releases before 5.21 must be asked for. */
    private static Calls writer(ExcerptAppender appender) throws ReflectiveOperationException {
        Object builder = MarshallableOut.class.getMethod("methodWriterBuilder", Class.class).invoke(appender, Calls.class);
        try {
            builder.getClass().getMethod("recordHistory", boolean.class).invoke(builder, true);
        } catch (NoSuchMethodException itDoesAlways) {
            return appender.methodWriter(Calls.class);
        }
        return (Calls) builder.getClass().getMethod("build").invoke(builder);
    }

    private void calls(ExcerptAppender appender, boolean history) throws ReflectiveOperationException {
        Calls calls = history ? writer(appender) : appender.methodWriter(Calls.class);
        Leg leg = new Leg("L", 1.5, Side.BUY);
        call(history, "none", "", () -> calls.none());
        call(history, "say", "hi", () -> calls.say("hi"));
        call(history, "say", null, () -> calls.say(null));
        call(history, "flag", true, () -> calls.flag(true));
        call(history, "number", Long.MIN_VALUE, () -> calls.number(Long.MIN_VALUE));
        call(history, "small", 300, () -> calls.small(300));
        call(history, "real", -0.75, () -> calls.real(-0.75));
        call(history, "two", Arrays.asList("a", 3), () -> calls.two("a", 3));
        call(history, "three", Arrays.asList("a", Side.SELL, leg), () -> calls.three("a", Side.SELL, leg));
        call(history, "leg", leg, () -> calls.leg(leg));
        call(history, "leg", null, () -> calls.leg(null));
        call(history, "any", leg, () -> calls.any(leg));
        call(history, "any", 5L, () -> calls.any(5L));
        call(history, "side", Side.SELL, () -> calls.side(Side.SELL));
        call(history, "list", Arrays.asList(leg, leg), () -> calls.list(new ArrayList<>(Arrays.asList(leg, leg))));
        call(history, "data", new byte[] {4, 5}, () -> calls.data(new byte[] {4, 5}));
        call(history, "5", "id", () -> calls.numbered("id"));
        Map<String, Object> chain = new LinkedHashMap<>();
        chain.put("via", "r1");
        chain.put("say", "end");
        calls.via("r1").say("end");
        if (history)
            expectHistory("chain");
        expect("chain", chain);
    }

    private void call(boolean history, String name, Object argument, Runnable call) {
        if (history) {
            VanillaMessageHistory source = new VanillaMessageHistory();
            source.reset(77, 0x12345_0000_0007L);
            MessageHistory.set(source);
        }
        call.run();
        if (history)
            expectHistory(name);
        expect("call " + name, Collections.singletonMap(name, argument));
    }

    /** What the writer's own history was when it wrote; its timings are the clock's. */
    private void expectHistory(String name) {
        MessageHistory now = MessageHistory.get();
        StringBuilder sources = new StringBuilder();
        for (int i = 0; i < now.sources(); i++)
            sources.append(i == 0 ? "" : ",").append(now.sourceId(i)).append(':').append(now.sourceIndex(i));
        row(document, name, "history", "sources", sources.toString());
    }

    private void fields(ExcerptAppender appender, String name, Consumer<WireOut> write, Object... pairs) {
        try (DocumentContext context = appender.writingDocument()) {
            write.accept(context.wire());
        }
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2)
            fields.put((String) pairs[i], pairs[i + 1]);
        expect(name, fields);
    }

    // What a value is.

    /** A class as a value, of which there is only the name. */
    private static final class TypeName {
        final String name;

        TypeName(String name) {
            this.name = name;
        }
    }

    private void expect(String name, Object value) {
        dump(name, "", value);
        document++;
    }

    private void dump(String name, String path, Object value) {
        if (value == null)
            tell(name, path, "null", "");
        else if (value instanceof Boolean)
            tell(name, path, "bool", value);
        else if (value instanceof Byte || value instanceof Short || value instanceof Integer || value instanceof Long)
            tell(name, path, "int", value);
        else if (value instanceof Float)
            tell(name, path, "float", Long.toHexString(Double.doubleToRawLongBits((Float) value)));
        else if (value instanceof Double)
            tell(name, path, "double", Long.toHexString(Double.doubleToRawLongBits((Double) value)));
        else if (value instanceof CharSequence || value instanceof Character || value instanceof Number)
            tell(name, path, "text", value);
        else if (value instanceof Enum)
            tell(name, path, "text", ((Enum<?>) value).name());
        else if (value instanceof byte[])
            tell(name, path, "bytes", hex((byte[]) value));
        else if (value instanceof LocalTime)
            tell(name, path, "time", value);
        else if (value instanceof LocalDate)
            tell(name, path, "date", value);
        else if (value instanceof LocalDateTime)
            tell(name, path, "date_time", value);
        else if (value instanceof ZonedDateTime)
            tell(name, path, "zoned", value);
        else if (value instanceof UUID)
            tell(name, path, "uuid", value);
        else if (value instanceof Class)
            tell(name, path, "class", ClassAliasPool.CLASS_ALIASES.nameFor((Class<?>) value));
        else if (value instanceof TypeName)
            tell(name, path, "class", ((TypeName) value).name);
        else if (value instanceof Collection)
            list(name, path, new ArrayList<>((Collection<?>) value));
        else if (value.getClass().isArray()) {
            List<Object> items = new ArrayList<>();
            for (int i = 0; i < Array.getLength(value); i++)
                items.add(Array.get(value, i));
            list(name, path, items);
        } else if (value instanceof Map) {
            tell(name, path, "map", ((Map<?, ?>) value).size());
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet())
                dump(name, path + "/" + entry.getKey(), entry.getValue());
        } else if (value instanceof BytesMarshallable && !(value instanceof SelfDescribingMarshallable)) {
            Bytes<?> bytes = Bytes.elasticByteBuffer();
            ((BytesMarshallable) value).writeMarshallable(bytes);
            tell(name, path, "opaque", hex(bytes.toByteArray()));
        } else
            object(name, path, value);
    }

    private void list(String name, String path, List<?> items) {
        tell(name, path, "list", items.size());
        for (int i = 0; i < items.size(); i++)
            dump(name, path + "/#" + i, items.get(i));
    }

    private void object(String name, String path, Object value) {
        List<Field> fields = new ArrayList<>();
        for (Class<?> type = value.getClass(); type.getName().startsWith("pychronix"); type = type.getSuperclass()) {
            List<Field> own = new ArrayList<>();
            for (Field field : type.getDeclaredFields())
                if (!Modifier.isStatic(field.getModifiers()) && !Modifier.isTransient(field.getModifiers()))
                    own.add(field);
            fields.addAll(0, own);
        }
        tell(name, path, "map", fields.size());
        for (Field field : fields) {
            try {
                field.setAccessible(true);
                dump(name, path + "/" + field.getName(), field.get(value));
            } catch (IllegalAccessException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private void tell(String name, String path, String type, Object value) {
        row(document, name, path, type, value);
    }
}
