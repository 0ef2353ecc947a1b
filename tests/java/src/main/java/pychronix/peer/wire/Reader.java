package pychronix.peer.wire;

import java.io.IOException;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.wire.JSONWire;
import net.openhft.chronicle.wire.TextWire;
import net.openhft.chronicle.wire.ValueIn;
import net.openhft.chronicle.wire.Wire;
import net.openhft.chronicle.wire.WireType;

/**
 * What Java makes of a payload. Each verb takes {@code data} (hex) and {@code wire} (a WireType's name, BINARY_LIGHT).
 *
 * <pre>
 * text     text: what ChronicleReaderMain and Wires.asText show
 * json     text: the same as JSON, types kept
 * values   as: the types to read the value as, comma-separated; rows: type result, or type "throws" and the class
 * </pre>
 */
public final class Reader extends Lines {
    public static void main(String[] args) throws IOException {
        new Reader().serve();
    }

    /** A wire to read the request's payload with. */
    private Wire wire() {
        return WireType.valueOf(get("wire", "BINARY_LIGHT")).apply(Bytes.wrapForRead(bytes("data")));
    }

    /** JSON with types, in releases that can write them. */
    private static Wire json(Bytes<?> out) throws ReflectiveOperationException {
        JSONWire wire = new JSONWire(out);
        try {
            JSONWire.class.getMethod("useTypes", boolean.class).invoke(wire, true);
        } catch (NoSuchMethodException absent) {
            return wire;
        }
        return wire;
    }

    private static Object read(ValueIn in, String type) {
        switch (type) {
            case "int8": return in.int8();
            case "int16": return in.int16();
            case "int32": return in.int32();
            case "int64": return in.int64();
            case "uint16": return in.uint16();
            case "uint8": {
                short[] found = new short[1];
                in.uint8(found, (to, value) -> to[0] = value);
                return found[0];
            }
            case "uint32": {
                long[] found = new long[1];
                in.uint32(found, (to, value) -> to[0] = value);
                return found[0];
            }
            case "float32": return in.float32();
            case "float64": return in.float64();
            case "bool": return in.bool();
            case "text": return in.text();
            case "character": return (int) in.character();
            case "bytes": {
                byte[] found = in.bytes();
                return found == null ? null : hex(found);
            }
            case "date": return in.date();
            case "time": return in.time();
            case "date_time": return in.dateTime();
            case "zoned_date_time": return in.zonedDateTime();
            case "uuid": return in.uuid();
            default: throw new IllegalArgumentException(type);
        }
    }

    @Override
    void handle(String verb) throws ReflectiveOperationException {
        switch (verb) {
            case "text": {
                Bytes<?> out = Bytes.elasticByteBuffer();
                wire().copyTo(new TextWire(out).addTimeStamps(true));
                put("text", out);
                break;
            }
            case "json": {
                Bytes<?> out = Bytes.elasticByteBuffer();
                wire().copyTo(json(out));
                put("text", out);
                break;
            }
            case "values":
                for (String type : get("as").split(",")) {
                    String result;
                    try {
                        result = String.valueOf(read(wire().getValueIn(), type));
                    } catch (Throwable t) {
                        row(type, "throws", t.getClass().getName());
                        continue;
                    }
                    row(type, result);
                }
                break;
            default:
                throw new IllegalArgumentException(verb);
        }
    }
}
