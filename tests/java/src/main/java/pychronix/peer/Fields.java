package pychronix.peer;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URLDecoder;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.bytes.BytesStore;
import net.openhft.chronicle.bytes.StopCharTester;

/**
 * Calls of the methods of {@code Bytes} by name: how a test writes and reads typed fields, whatever the release has.
 *
 * <p>A call is {@code name:token:token...}, a token {@code type~value} with the value URL-encoded once more. Types:
 * {@code num} and {@code real} (a number of whatever type the method takes), {@code int long float double char boolean}
 * (exactly that type), {@code string utf16 null bytes bigdec bigint enum class stop}; results may also be
 * {@code void} (also for the Bytes themselves). A char is its number, a utf16 hex of big-endian units, bytes hex, a stop
 * one character per terminating character, an enum a {@link Side}.
 */
final class Fields {
    public enum Side { BUY, SELL }

    private static final class Num {
    }

    private static final class Real {
    }

    private static final class Null {
    }

    private Fields() {
    }

    /** Calls one method and returns its result as a token. */
    static String call(Bytes<?> bytes, String call) throws Throwable {
        String[] parts = call.split(":");
        Class<?>[] types = new Class<?>[parts.length - 1];
        Object[] values = new Object[parts.length - 1];
        for (int i = 0; i < values.length; i++)
            types[i] = parse(parts[i + 1], values, i);
        Method best = null;
        int bestCost = Integer.MAX_VALUE;
        for (Method method : Bytes.class.getMethods()) {
            if (!method.getName().equals(parts[0]) || method.getParameterCount() != values.length)
                continue;
            int cost = 0;
            for (int i = 0; i < values.length && cost >= 0; i++) {
                int one = cost(method.getParameterTypes()[i], types[i]);
                cost = one < 0 ? -1 : cost + one;
            }
            if (cost >= 0 && cost < bestCost) {
                best = method;
                bestCost = cost;
            }
        }
        if (best == null)
            throw new UnsupportedOperationException(call);
        for (int i = 0; i < values.length; i++)
            values[i] = convert(best.getParameterTypes()[i], values[i]);
        try {
            return token(best.invoke(bytes, values));
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private static int cost(Class<?> parameter, Class<?> type) {
        if (type == Num.class) {
            Class<?>[] order = {long.class, int.class, short.class, byte.class};
            for (int i = 0; i < order.length; i++)
                if (parameter == order[i])
                    return i;
            return -1;
        }
        if (type == Real.class)
            return parameter == double.class ? 0 : parameter == float.class ? 1 : -1;
        if (type == Null.class)
            return parameter == String.class ? 0 : parameter.isPrimitive() ? -1 : 1;
        if (type == parameter)
            return 0;
        return type.isPrimitive() || !parameter.isAssignableFrom(type) ? -1 : 1;
    }

    private static Object convert(Class<?> parameter, Object value) {
        if (value instanceof Long && parameter == int.class)
            return Math.toIntExact((Long) value);
        if (value instanceof Long && parameter == short.class)
            return ((Long) value).shortValue();
        if (value instanceof Long && parameter == byte.class)
            return ((Long) value).byteValue();
        if (value instanceof Double && parameter == float.class)
            return ((Double) value).floatValue();
        return value;
    }

    private static Class<?> parse(String token, Object[] values, int i) throws Exception {
        int tilde = token.indexOf('~');
        String text = URLDecoder.decode(token.substring(tilde + 1), "UTF-8");
        switch (token.substring(0, tilde)) {
            case "num":
                values[i] = Long.parseLong(text);
                return Num.class;
            case "real":
                values[i] = Double.parseDouble(text);
                return Real.class;
            case "int":
                values[i] = Integer.parseInt(text);
                return int.class;
            case "long":
                values[i] = Long.parseLong(text);
                return long.class;
            case "float":
                values[i] = (float) Double.parseDouble(text);
                return float.class;
            case "double":
                values[i] = Double.parseDouble(text);
                return double.class;
            case "char":
                values[i] = (char) Integer.parseInt(text);
                return char.class;
            case "boolean":
                values[i] = Boolean.parseBoolean(text);
                return boolean.class;
            case "string":
                values[i] = text;
                return String.class;
            case "utf16":
                values[i] = units(text);  // A String made of bytes would lose surrogates that stand alone.
                return String.class;
            case "null":
                return Null.class;
            case "bytes":
                values[i] = Peer.unhex(text);
                return byte[].class;
            case "store":
                values[i] = Bytes.wrapForRead(Peer.unhex(text));
                return BytesStore.class;
            case "bigdec":
                values[i] = new BigDecimal(text);
                return BigDecimal.class;
            case "bigint":
                values[i] = new BigInteger(text);
                return BigInteger.class;
            case "enum":
                values[i] = Side.valueOf(text);
                return Enum.class;
            case "class":
                values[i] = Side.class;
                return Class.class;
            case "stop":
                values[i] = (StopCharTester) c -> text.indexOf(c) >= 0;
                return StopCharTester.class;
            default:
                throw new IllegalArgumentException("unknown type of token " + token);
        }
    }

    private static String units(String hex) {
        byte[] data = Peer.unhex(hex);
        char[] units = new char[data.length / 2];
        for (int i = 0; i < units.length; i++)
            units[i] = (char) ((data[2 * i] & 0xFF) << 8 | data[2 * i + 1] & 0xFF);
        return new String(units);
    }

    private static String token(Object value) {
        if (value == null)
            return "null~";
        if (value instanceof BytesStore)
            return "void~";
        if (value instanceof Long || value instanceof Integer || value instanceof Short || value instanceof Byte)
            return "num~" + value;
        if (value instanceof Double)
            return "bits~" + Long.toHexString(Double.doubleToRawLongBits((Double) value));
        if (value instanceof Float)
            return "bits~" + Long.toHexString(Double.doubleToRawLongBits((Float) value));
        if (value instanceof Character)
            return "char~" + (int) (Character) value;
        if (value instanceof BigDecimal)
            return "bigdec~" + value;
        if (value instanceof BigInteger)
            return "bigint~" + value;
        if (value instanceof Enum)
            return "enum~" + ((Enum<?>) value).name();
        if (value instanceof Boolean)
            return "boolean~" + value;
        StringBuilder units = new StringBuilder("utf16~");
        for (char unit : value.toString().toCharArray())
            units.append(String.format("%04x", (int) unit));
        return units.toString();
    }
}
