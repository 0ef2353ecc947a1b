package pychronix.peer.wire;

import java.io.IOException;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.wire.JSONWire;
import net.openhft.chronicle.wire.TextWire;
import net.openhft.chronicle.wire.Wire;
import net.openhft.chronicle.wire.WireType;

/**
 * What Java makes of a payload. Each verb takes {@code data} (hex) and {@code wire} (a WireType's name, BINARY_LIGHT).
 *
 * <pre>
 * text     text: what ChronicleReaderMain and Wires.asText show
 * json     text: the same as JSON, types kept
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
            default:
                throw new IllegalArgumentException(verb);
        }
    }
}
