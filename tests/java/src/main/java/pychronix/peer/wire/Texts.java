package pychronix.peer.wire;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.wire.JSONWire;
import net.openhft.chronicle.wire.TextWire;
import net.openhft.chronicle.wire.Wire;
import net.openhft.chronicle.wire.WireOut;
import net.openhft.chronicle.wire.WireType;
import net.openhft.chronicle.wire.WriteMarshallable;

/**
 * Java's text beside Java's bytes.
 *
 * <pre>
 * binary text=… [wire=TEXT]  data: what Java reads from a text as an object, written as an object to BINARY_LIGHT
 * both                       rows (name, BINARY_LIGHT, TEXT, JSON; all hex): the same writes to wires of each type
 * </pre>
 */
public final class Texts extends Lines {
    private static final String[] WORDS = {
        "plain", "two words", "", " ", "a: b", "a #b", "a,b", "a:b", "it's", "a\"b", "a\"'b", "a\\b", "a\nb", "\t", "12", "1e5", "0x1f",
        "2024-03-05", "10:37", "-", "- a", "?", "&a", "*a", "!a", "@a", "%a", "|", ">", "{", "}", "[a]", "yes", "x ", " x",
        "\u00e9\u20ac", "\ud83d\ude00", "\u0000\u0001\u001b\u0085\u00a0\u2028", "http://x.y/z?a=b", "${x}", "^", "`", "_", "a_b", "a.b-c/d",
    };

    public static void main(String[] args) throws IOException {
        new Texts().serve();
    }

    @Override
    void handle(String verb) throws Exception {
        switch (verb) {
            case "binary": {
                Bytes<?> in = Bytes.wrapForRead(get("text").getBytes(StandardCharsets.UTF_8));
                Object read;
                switch (get("wire", "TEXT")) {
                    case "TEXT":
                        read = new TextWire(in).useTextDocuments().readObject();
                        break;
                    case "JSON":
                        read = json(in).getValueIn().object();
                        break;
                    default:
                        read = WireType.valueOf(get("wire")).apply(in).getValueIn().object();
                }
                Bytes<?> out = Bytes.allocateElasticOnHeap();
                WireType.BINARY_LIGHT.apply(out).getValueOut().object(read);
                put("data", hex(out.toByteArray()));
                break;
            }
            case "both":
                both();
                break;
            default:
                throw new IllegalArgumentException(verb);
        }
    }

    private static JSONWire json(Bytes<?> bytes) {
        return new JSONWire(bytes).useTypes(true);
    }

    private void both(String name, WriteMarshallable writes) {
        Bytes<?> binary = Bytes.allocateElasticOnHeap();
        writes.writeMarshallable(WireType.BINARY_LIGHT.apply(binary));
        Bytes<?> text = Bytes.allocateElasticOnHeap();
        writes.writeMarshallable(new TextWire(text));
        Bytes<?> json = Bytes.allocateElasticOnHeap();
        writes.writeMarshallable(json(json));
        row(name, hex(binary.toByteArray()), hex(text.toByteArray()), hex(json.toByteArray()));
    }

    private static void times(WireOut wire) {
        wire.write("date").date(LocalDate.of(2024, 3, 5));
        wire.write("early").date(LocalDate.of(1, 1, 1));
        wire.write("late").date(LocalDate.of(12345, 1, 1));
        wire.write("time").time(LocalTime.of(1, 2, 3));
        wire.write("minute").time(LocalTime.of(10, 37));
        wire.write("nano").time(LocalTime.of(1, 2, 3, 456_000_007));
        wire.write("dateTime").dateTime(LocalDateTime.of(2024, 3, 5, 1, 2, 3));
        wire.write("dateTimeMilli").dateTime(LocalDateTime.of(2024, 3, 5, 1, 2, 0, 5_000_000));
        wire.write("utc").zonedDateTime(ZonedDateTime.of(2024, 3, 5, 1, 2, 3, 0, ZoneOffset.UTC));
        wire.write("offset").zonedDateTime(ZonedDateTime.of(2024, 3, 5, 1, 2, 3, 4, ZoneOffset.ofHoursMinutes(-2, -30)));
    }

    private void both() {
        both("texts", wire -> {
            for (int i = 0; i < WORDS.length; i++)
                wire.write("f" + i).text(WORDS[i]);
            wire.write("none").text((String) null);
        });
        both("names", wire -> {
            for (String word : WORDS)
                if (word.chars().allMatch(c -> c > 0x1f && c < 0x7f) && !word.isEmpty())
                    wire.writeEventName(word).int32(1);
        });
        both("integers", wire -> wire.write("b").bool(true).write("i8").int8(-5).write("i16").int16(-300).write("i32").int32(70000)
            .write("max").int64(Long.MAX_VALUE).write("min").int64(Long.MIN_VALUE).write("big").int64(1L << 40)
            .write("odd").int64((1L << 40) + 1).write("u8").uint8(200).write("u16").uint16(60000).write("u32").uint32(4_000_000_000L)
            .write("hex").int64_0x(255).write("ms").int64(1712984614912L));
        both("floats", wire -> wire.write("half").float64(0.5).write("pi").float64(Math.PI).write("tiny").float64(1e-300)
            .write("huge").float64(1e300).write("single").float32(1.25f).write("nan").float64(Double.NaN)
            .write("inf").float64(Double.POSITIVE_INFINITY).write("ninf").float64(Double.NEGATIVE_INFINITY)
            .write("million").float64(1e6).write("thousand").float64(25e3).write("micro").float64(1.5e-6).write("zero").float64(0));
        both("times", Texts::times);
        both("zone", wire -> wire.write("z").object(ZonedDateTime.of(2024, 3, 5, 1, 2, 3, 0, ZoneId.of("Europe/Paris"))));
        both("uuid", wire -> wire.write("digit").uuid(new UUID(0x0123456789abcdefL, 0xfedcba9876543210L)));
        both("bytes", wire -> wire.write("b").bytes(new byte[] {0, 1, (byte) 200}));
        both("byte array", wire -> wire.write("b").object(new byte[] {0, 1, (byte) 200}));
        both("type literals", wire -> wire.write("known").typeLiteral(String.class).write("unknown").typeLiteral("some.Unknown"));
        both("types", wire -> {
            wire.write("enum").object(TimeUnit.SECONDS);
            wire.write("unknown").typePrefix("my.Type").text("body");
            wire.write("set").object(new LinkedHashSet<>(Arrays.asList("a", "b c")));
            wire.write("tree").object(new TreeMap<>(Map.of("k", 1)));
            wire.write("ints").object(new int[] {1, 2});
            wire.write("strings").object(new String[] {"x", "y z"});
        });
        both("nested", wire -> wire.write("seq").sequence(out -> {
            out.int32(1);
            out.text("x y");
            out.object(null);
            out.sequence(inner -> inner.text("deep"));
        }).write("empty").sequence(out -> { }).write("map").marshallable(
            out -> out.write("a").int32(1).write("b").marshallable(inner -> inner.write("c").text("d"))));
        both("map", wire -> {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("key", "value");
            map.put("long", 1L << 40);
            map.put("double", 2.5);
            map.put("null", null);
            map.put("flag", false);
            map.put("12", "a key like a number");
            map.put("list", Arrays.asList(1, "two", 3.5));
            map.put("nested", new LinkedHashMap<>(Map.of("a", "b")));
            wire.write("m").object(map);
        });
        both("keys", wire -> {
            Map<Object, Object> map = new LinkedHashMap<>();
            map.put(5, "five");
            map.put(TimeUnit.DAYS, 1);
            map.put("text", 2);
            wire.write("m").object(map);
        });
        both("events", wire -> wire.writeEventName("via").text("r1").writeEventName("end").int32(1).writeEventName("via").text("r2"));
        both("comment", wire -> {
            wire.writeComment("a remark: with {signs}");
            wire.write("x").int32(1);
        });
        both("value text", wire -> wire.getValueOut().text("a text"));
        both("value list", wire -> wire.getValueOut().object(Arrays.asList("a", 1L)));
        both("value typed", wire -> wire.getValueOut().typePrefix("my.Type").marshallable(out -> out.write("x").int32(1)));
    }
}
