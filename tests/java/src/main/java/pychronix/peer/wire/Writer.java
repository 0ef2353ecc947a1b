package pychronix.peer.wire;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Method;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.core.time.SetTimeProvider;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.DocumentContext;
import net.openhft.chronicle.wire.Marshallable;
import net.openhft.chronicle.wire.SelfDescribingMarshallable;
import net.openhft.chronicle.wire.ValueOut;
import net.openhft.chronicle.wire.Wire;
import net.openhft.chronicle.wire.WireOut;
import net.openhft.chronicle.wire.WireType;

/**
 * What Java writes: of programs that call WireOut and ValueOut, of objects, of a DTO's fields, of calls of a method writer.
 *
 * <pre>
 * items   programs [wire]           a row with the payload (hex) for each line of `programs`
 * queue   dir clock_ms programs [wire]   appends each line, default roll cycle; a row with the index of each
 * dto     data [wire]               fields: what an AllFields has after reading it; data: what that writes again
 * dtos    dir                       a row for each document that the queue's tailer reads into an AllFields
 * calls   programs                  a row with the payload (hex) that a method writer of Calls stores of each line
 * </pre>
 *
 * A program is a series of words; texts are UTF-16 in hex, floats their bits in hex. See {@link Program}.
 */
public final class Writer extends Lines {
    public static void main(String[] args) throws IOException {
        new Writer().serve();
    }

    /** An enum of a field. */
    public enum Side { BUY, SELL }

    /** An object in a field. */
    public static class Leg extends SelfDescribingMarshallable {
        double px;
        int qty;
    }

    /** A field of every kind that a DTO has. */
    public static class AllFields extends SelfDescribingMarshallable {
        boolean flag;
        byte int8;
        short int16;
        char letter;
        int int32;
        long int64;
        float float32;
        double float64;
        String text;
        byte[] bytes;
        Side side;
        LocalDate date;
        LocalTime time;
        LocalDateTime dateTime;
        ZonedDateTime zoned;
        UUID uuid;
        BigDecimal decimal;
        BigInteger integer;
        Duration duration;
        Leg leg;
        List<Leg> legs = new ArrayList<>();
        List<String> texts = new ArrayList<>();
        List<Long> longs = new ArrayList<>();
        int[] ints;
        Map<String, Integer> counts = new LinkedHashMap<>();
        Object anything;
        Class<?> type;
    }

    /** What the calls go to. */
    public interface Calls {
        void none();

        void say(String text);

        void flag(boolean value);

        void num(int value);

        void lng(long value);

        void flt(float value);

        void dbl(double value);

        void side(Side value);

        void leg(Leg value);

        void raw(byte[] value);

        void list(List<Object> value);

        void map(Map<String, Object> value);

        void any(Object value);

        void two(String text, int value);

        void three(String text, long value, double number);

        void legs(Leg one, Leg other);
    }

    /** An object of whatever fields. */
    public static final class Dynamic implements Marshallable {
        private final String[] words;

        Dynamic(String[] words) {
            this.words = words;
        }

        @Override
        public void writeMarshallable(WireOut wire) {
            new Program(words).statements(wire);
        }
    }

    /**
     * Words that are executed as they are read.
     *
     * <pre>
     * statement  write NAME value | event NAME value | id N value | key object value | value value | comment T | padding N
     * value      null | text T | bool 0/1 | int8 N ... uint32 N | hex64 N | float32 BITS | float64 BITS | bytes HEX | store HEX
     *            uuid U | time T | date T | dateTime T | zoned T | literal NAME | prefix NAME value | object object | map object
     *            sequence ( value ... ) | marshallable ( statement ... ) | bind32 N | bind64 N | bind128 N N | array N
     * object     null | B N | S N | I N | L N | F BITS | D BITS | Z 0/1 | C N | T TEXT | X HEX | U UUID | LT t | LD t | LDT t
     *            ZDT t | DEC t | BIG t | DUR t | INS t | CLS name | SIDE name | LEG BITS N | [ object ... ] | { object object ... }
     *            set [ object ... ] | sorted [ object ... ] | tree { ... } | bits [ N ... ] | ints [ N ... ] | longs [ N ... ]
     *            doubles [ BITS ... ] | texts [ object ... ] | dynamic ( statement ... )
     * </pre>
     */
    static final class Program {
        private final String[] words;
        private int at;

        Program(String[] words) {
            this.words = words;
        }

        Program(String text) {
            this(text.trim().isEmpty() ? new String[0] : text.trim().split(" +"));
        }

        boolean more() {
            return at < words.length && !words[at].equals(")");
        }

        String word() {
            return words[at++];
        }

        long number() {
            return Long.parseLong(word());
        }

        String text() {
            byte[] raw = unhex(word());
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < raw.length; i += 2)
                text.append((char) ((raw[i] & 255) << 8 | raw[i + 1] & 255));
            return text.toString();
        }

        double float64() {
            return Double.longBitsToDouble(Long.parseUnsignedLong(word(), 16));
        }

        float float32() {
            return Float.intBitsToFloat(Integer.parseUnsignedInt(word(), 16));
        }

        void statements(WireOut wire) {
            while (more()) {
                String word = word();
                switch (word) {
                    case "write":
                        value(wire.write(text()));
                        break;
                    case "event":
                        value(wire.writeEventName(text()));
                        break;
                    case "id":
                        value(wire.writeEventId((int) number()));
                        break;
                    case "key":
                        value(wire.writeEvent(Object.class, object()));
                        break;
                    case "value":
                        value(wire.getValueOut());
                        break;
                    case "comment":
                        wire.writeComment(text());
                        break;
                    case "padding":
                        wire.addPadding((int) number());
                        break;
                    default:
                        throw new IllegalArgumentException("no statement: " + word);
                }
            }
        }

        void value(ValueOut out) {
            String word = word();
            switch (word) {
                case "null":
                    out.text((String) null);
                    break;
                case "text":
                    out.text(text());
                    break;
                case "bool":
                    out.bool(number() != 0);
                    break;
                case "int8":
                    out.int8(number());
                    break;
                case "int16":
                    out.int16(number());
                    break;
                case "int32":
                    out.int32(number());
                    break;
                case "int64":
                    out.int64(number());
                    break;
                case "uint8":
                    out.uint8((int) number());
                    break;
                case "uint16":
                    out.uint16(number());
                    break;
                case "uint32":
                    out.uint32(number());
                    break;
                case "hex64":
                    out.int64_0x(number());
                    break;
                case "float32":
                    out.float32(float32());
                    break;
                case "float64":
                    out.float64(float64());
                    break;
                case "bytes":
                    out.bytes(unhex(word()));
                    break;
                case "store":
                    out.bytes(Bytes.wrapForRead(unhex(word())));
                    break;
                case "uuid":
                    out.uuid(UUID.fromString(word()));
                    break;
                case "time":
                    out.time(LocalTime.parse(word()));
                    break;
                case "date":
                    out.date(LocalDate.parse(word()));
                    break;
                case "dateTime":
                    out.dateTime(LocalDateTime.parse(word()));
                    break;
                case "zoned":
                    out.zonedDateTime(ZonedDateTime.parse(word()));
                    break;
                case "literal":
                    out.typeLiteral(text());
                    break;
                case "prefix":
                    value(out.typePrefix(text()));
                    break;
                case "object":
                    out.object(object());
                    break;
                case "map":
                    out.map((Map<?, ?>) object());
                    break;
                case "sequence":
                    open();
                    out.sequence(this, (self, inner) -> {
                        while (self.more())
                            self.value(inner);
                    });
                    close();
                    break;
                case "marshallable":
                    open();
                    out.marshallable((WireOut inner) -> statements(inner));
                    close();
                    break;
                case "bind32":
                    out.int32forBinding((int) number());
                    break;
                case "bind64":
                    out.int64forBinding(number());
                    break;
                case "bind128":
                    out.int128forBinding(number(), number());
                    break;
                case "array":
                    out.int64array(number());
                    break;
                default:
                    throw new IllegalArgumentException("no value: " + word);
            }
        }

        private void open() {
            if (!word().equals("("))
                throw new IllegalArgumentException("( expected at word " + (at - 1));
        }

        private void close() {
            if (!word().equals(")"))
                throw new IllegalArgumentException(") expected at word " + (at - 1));
        }

        private List<Object> list() {
            if (!word().equals("["))
                throw new IllegalArgumentException("[ expected at word " + (at - 1));
            List<Object> list = new ArrayList<>();
            while (!words[at].equals("]"))
                list.add(object());
            at++;
            return list;
        }

        private long[] longs() {
            List<Long> longs = new ArrayList<>();
            at++;
            while (!words[at].equals("]"))
                longs.add(number());
            at++;
            return longs.stream().mapToLong(Long::longValue).toArray();
        }

        private <M extends Map<Object, Object>> M map(M map) {
            if (!word().equals("{"))
                throw new IllegalArgumentException("{ expected at word " + (at - 1));
            while (!words[at].equals("}")) {
                Object key = object();
                map.put(key, object());
            }
            at++;
            return map;
        }

        Object object() {
            String word = word();
            switch (word) {
                case "null":
                    return null;
                case "B":
                    return (byte) number();
                case "S":
                    return (short) number();
                case "I":
                    return (int) number();
                case "L":
                    return number();
                case "F":
                    return float32();
                case "D":
                    return float64();
                case "Z":
                    return number() != 0;
                case "C":
                    return (char) number();
                case "T":
                    return text();
                case "X":
                    return unhex(word());
                case "U":
                    return UUID.fromString(word());
                case "LT":
                    return LocalTime.parse(word());
                case "LD":
                    return LocalDate.parse(word());
                case "LDT":
                    return LocalDateTime.parse(word());
                case "ZDT":
                    return ZonedDateTime.parse(word());
                case "DEC":
                    return new BigDecimal(word());
                case "BIG":
                    return new BigInteger(word());
                case "DUR": {
                    long nanos = number();
                    return Duration.ofNanos(nanos);
                }
                case "INS":
                    return Instant.parse(word());
                case "CLS":
                    try {
                        return Class.forName(word());
                    } catch (ClassNotFoundException e) {
                        throw new IllegalArgumentException(e);
                    }
                case "SIDE":
                    return Side.valueOf(word());
                case "LEG": {
                    Leg leg = new Leg();
                    leg.px = float64();
                    leg.qty = (int) number();
                    return leg;
                }
                case "[":
                    at--;
                    return list();
                case "{":
                    at--;
                    return map(new LinkedHashMap<>());
                case "set":
                    return new LinkedHashSet<>(list());
                case "sorted":
                    return new TreeSet<>(list());
                case "tree":
                    return map(new TreeMap<>());
                case "bits":
                    return BitSet.valueOf(longs());
                case "ints":
                    return Arrays.stream(longs()).mapToInt(one -> (int) one).toArray();
                case "longs":
                    return longs();
                case "texts":
                    return list().toArray(new String[0]);
                case "dynamic": {
                    open();
                    int from = at;
                    for (int depth = 1; depth > 0; at++)
                        depth += words[at].equals("(") ? 1 : words[at].equals(")") ? -1 : 0;
                    return new Dynamic(Arrays.copyOfRange(words, from, at - 1));
                }
                default:
                    throw new IllegalArgumentException("no object: " + word);
            }
        }
    }

    private WireType wireType() {
        return WireType.valueOf(get("wire", "BINARY_LIGHT"));
    }

    private static String hexOf(Bytes<?> bytes) {
        byte[] data = new byte[(int) bytes.readRemaining()];
        bytes.read(data);
        return hex(data);
    }

    private void items() {
        for (String line : get("programs").split("\n", -1)) {
            Bytes<?> bytes = Bytes.elasticByteBuffer(256);
            try {
                new Program(line).statements(wireType().apply(bytes));
                row(hexOf(bytes));
            } catch (RuntimeException e) {
                row("error " + e);
            }
        }
    }

    /** One line: what is called of the appender, and its program. */
    private static void append(ExcerptAppender appender, String line) {
        String[] words = line.split(" ", 2);
        Program program = new Program(words.length == 1 ? "" : words[1]);
        switch (words[0]) {
            case "text":
                appender.writeText(program.text());
                break;
            case "map":
                appender.writeMap((Map<?, ?>) program.object());
                break;
            case "message": {
                String name = program.text();
                appender.writeMessage(() -> name, program.object());
                break;
            }
            case "document":
                appender.writeDocument(program::statements);
                break;
            case "writing":
            case "meta":
                try (DocumentContext context = appender.writingDocument(words[0].equals("meta"))) {
                    program.statements(context.wire());
                }
                break;
            case "bytes":
                appender.writeBytes(Bytes.wrapForRead(unhex(program.word())));
                break;
            default:
                throw new IllegalArgumentException("no call: " + words[0]);
        }
    }

    /** A new appender; releases before 5.24 have one for each thread. */
    private static ExcerptAppender appender(ChronicleQueue queue) throws ReflectiveOperationException {
        try {
            return (ExcerptAppender) ChronicleQueue.class.getMethod("createAppender").invoke(queue);
        } catch (NoSuchMethodException absent) {
            return (ExcerptAppender) ChronicleQueue.class.getMethod("acquireAppender").invoke(queue);
        }
    }

    private void queue() throws ReflectiveOperationException {
        SetTimeProvider clock = new SetTimeProvider();
        clock.currentTimeMillis(Long.parseLong(get("clock_ms")));
        try (ChronicleQueue queue = SingleChronicleQueueBuilder.builder(new File(get("dir")).toPath(), wireType())
                 .timeProvider(clock).blockSize(1 << 16).build()) {
            ExcerptAppender appender = appender(queue);
            for (String line : get("programs").split("\n", -1)) {
                append(appender, line);
                row(line.startsWith("meta") ? -1 : appender.lastIndexAppended());
            }
        }
    }

    private void showFields(AllFields dto) {
        put("flag", dto.flag);
        put("int8", dto.int8);
        put("int16", dto.int16);
        put("letter", (int) dto.letter);
        put("int32", dto.int32);
        put("int64", dto.int64);
        put("float32", Integer.toHexString(Float.floatToRawIntBits(dto.float32)));
        put("float64", Long.toHexString(Double.doubleToRawLongBits(dto.float64)));
        put("text", dto.text);
        put("bytes", dto.bytes == null ? "null" : hex(dto.bytes));
        put("side", dto.side);
        put("date", dto.date);
        put("time", dto.time);
        put("dateTime", dto.dateTime);
        put("zoned", dto.zoned);
        put("uuid", dto.uuid);
        put("decimal", dto.decimal);
        put("integer", dto.integer);
        put("duration", dto.duration);
        put("leg", dto.leg == null ? "null" : dto.leg.px + " " + dto.leg.qty);
        StringBuilder legs = new StringBuilder();
        for (Leg leg : dto.legs)
            legs.append(leg.px).append(' ').append(leg.qty).append(';');
        put("legs", legs);
        put("texts", String.join("|", dto.texts));
        put("longs", dto.longs);
        put("ints", Arrays.toString(dto.ints));
        put("counts", dto.counts);
        put("anything", dto.anything == null ? "null" : dto.anything.getClass().getName() + " " + dto.anything);
        put("type", dto.type);
    }

    private void dto() {
        Wire wire = wireType().apply(Bytes.wrapForRead(bytes("data")));
        AllFields dto = new AllFields();
        dto.readMarshallable(wire);
        showFields(dto);
        Bytes<?> bytes = Bytes.elasticByteBuffer(256);
        dto.writeMarshallable(wireType().apply(bytes));
        put("data", hexOf(bytes));
    }

    private void dtos() {
        try (ChronicleQueue queue = SingleChronicleQueueBuilder.binary(new File(get("dir"))).build()) {
            ExcerptTailer tailer = queue.createTailer();
            for (AllFields dto = new AllFields(); tailer.readDocument(dto); dto = new AllFields()) {
                Bytes<?> bytes = Bytes.elasticByteBuffer(256);
                dto.writeMarshallable(WireType.BINARY_LIGHT.apply(bytes));
                row(hexOf(bytes), dto.text, dto.int64, dto.leg == null ? "null" : dto.leg.px + " " + dto.leg.qty);
            }
        }
    }

    private void calls() throws ReflectiveOperationException {
        for (String line : get("programs").split("\n", -1)) {
            String[] words = line.split(" ", 2);
            Program program = new Program(words.length == 1 ? "" : words[1]);
            Bytes<?> bytes = Bytes.elasticByteBuffer(256);
            Calls calls = WireType.BINARY_LIGHT.apply(bytes).methodWriter(Calls.class);
            for (Method method : Calls.class.getMethods()) {
                if (!method.getName().equals(words[0]))
                    continue;
                Object[] arguments = new Object[method.getParameterCount()];
                for (int i = 0; i < arguments.length; i++)
                    arguments[i] = program.object();
                method.invoke(calls, arguments);
            }
            bytes.readSkip(4);
            row(hexOf(bytes));
        }
    }

    @Override
    void handle(String verb) throws ReflectiveOperationException {
        switch (verb) {
            case "items":
                items();
                break;
            case "queue":
                queue();
                break;
            case "dto":
                dto();
                break;
            case "dtos":
                dtos();
                break;
            case "calls":
                calls();
                break;
            default:
                throw new IllegalArgumentException(verb);
        }
    }
}
