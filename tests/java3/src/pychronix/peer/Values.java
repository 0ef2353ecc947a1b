package pychronix.peer;

import java.io.Externalizable;
import java.io.IOException;
import java.io.ObjectInput;
import java.io.ObjectOutput;
import java.io.Serializable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import net.openhft.lang.io.Bytes;
import net.openhft.lang.io.StopCharTester;
import net.openhft.lang.io.serialization.BytesMarshallable;

/**
 * Java values as text, and calls of the methods of {@code Bytes} by name: how a test writes and reads fields.
 *
 * <p><b>Token</b>: {@code type~value}, the value URL-encoded once more. Types: {@code num} and {@code real} (an integer
 * and a floating number of whatever type the method takes), {@code int long short byte char float double boolean}
 * (exactly that type; the class around it where the method takes an Object), {@code string utf16 sb chars bytes buffer
 * null class enum date bigdec bigint uuid instant list set map ext marsh pojo stop}; results may also be {@code self}
 * (the excerpt), {@code void} and {@code object} (class:toString). A char is its number, a utf16 hex of big-endian
 * units, a stop one character per terminating character, a list or set {@code token;token}, a map
 * {@code key;value;key;value}, an enum the name of a {@link Colour}; ext, marsh and pojo are {@code number:text}.
 */
final class Values {
    private Values() {
    }

    /** An enum; its toString is its name. */
    public enum Colour { RED, GREEN, BLUE }

    /** The one argument type that fits any whole number. */
    private static final class Num {
    }

    /** The one argument type that fits float and double. */
    private static final class Real {
    }

    private static final class Null {
    }

    /** A Serializable without a marshaller of Chronicle's: written by Java serialisation. */
    public static class Pojo implements Serializable {
        private static final long serialVersionUID = 1;
        public int number;
        public String text;

        public Pojo() {
        }

        Pojo set(String value) {
            int colon = value.indexOf(':');
            number = Integer.parseInt(value.substring(0, colon));
            text = value.substring(colon + 1);
            return this;
        }

        @Override
        public String toString() {
            return number + ":" + text;
        }
    }

    /** Writes itself as an int and a DataOutput UTF. */
    public static class Ext extends Pojo implements Externalizable {
        private static final long serialVersionUID = 1;

        public Ext() {
        }

        @Override
        public void writeExternal(ObjectOutput out) throws IOException {
            out.writeInt(number);
            out.writeUTF(text);
        }

        @Override
        public void readExternal(ObjectInput in) throws IOException {
            number = in.readInt();
            text = in.readUTF();
        }
    }

    /** Writes itself as a stop-bit number and the usual text. */
    public static class Marsh extends Pojo implements BytesMarshallable {
        private static final long serialVersionUID = 1;

        public Marsh() {
        }

        @Override
        public void readMarshallable(Bytes in) {
            number = (int) in.readStopBit();
            text = in.readUTFΔ();
        }

        @Override
        public void writeMarshallable(Bytes out) {
            out.writeStopBit(number);
            out.writeUTFΔ(text);
        }
    }

    private static final class Arg {
        final Class<?> type;
        final Object value;

        Arg(Class<?> type, Object value) {
            this.type = type;
            this.value = value;
        }

        boolean mutable() {
            return value instanceof StringBuilder || value instanceof Collection || value instanceof Map
                || value instanceof byte[] || value instanceof char[] || value instanceof ByteBuffer;
        }
    }

    /**
     * Calls {@code name:token:token...} on an excerpt and returns {@code result token token...}: the result and those
     * arguments that the method may have filled (builders, arrays, collections).
     */
    static String call(Bytes bytes, String call) throws Throwable {
        String[] parts = call.split(":");
        Arg[] args = new Arg[parts.length - 1];
        for (int i = 0; i < args.length; i++)
            args[i] = parse(parts[i + 1]);
        Method best = null;
        int bestCost = Integer.MAX_VALUE;
        for (Method method : Bytes.class.getMethods()) {
            if (!method.getName().equals(parts[0]) || method.getParameterCount() != args.length)
                continue;
            int cost = 0;
            for (int i = 0; i < args.length && cost >= 0; i++) {
                int one = cost(method.getParameterTypes()[i], args[i]);
                cost = one < 0 ? -1 : cost + one;
            }
            if (cost >= 0 && cost < bestCost) {
                best = method;
                bestCost = cost;
            }
        }
        if (best == null)
            throw new NoSuchMethodException(call);
        Object[] values = new Object[args.length];
        for (int i = 0; i < args.length; i++)
            values[i] = convert(best.getParameterTypes()[i], args[i]);
        Object result;
        try {
            result = best.invoke(bytes, values);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
        StringBuilder text = new StringBuilder();
        text.append(best.getReturnType() == void.class ? "void~" : result == bytes ? "self~" : token(result));
        for (Arg arg : args)
            if (arg.mutable())
                text.append(' ').append(token(arg.value));
        return text.toString();
    }

    /** How badly an argument fits a parameter; negative: not at all. */
    private static int cost(Class<?> parameter, Arg arg) {
        if (arg.type == Num.class)
            return parameter == long.class ? 0 : parameter == int.class ? 1 : -1;
        if (arg.type == Real.class)
            return parameter == double.class ? 0 : parameter == float.class ? 1 : -1;
        if (arg.type == Null.class)
            return parameter.isPrimitive() ? -1 : CharSequence.class.isAssignableFrom(parameter) ? 0 : 1;
        if (arg.type == parameter)
            return 0;
        if (arg.type.isPrimitive())
            return parameter == Object.class ? 3 : -1;
        return !parameter.isAssignableFrom(arg.type) ? -1 : parameter == Object.class ? 3 : 1;
    }

    private static Object convert(Class<?> parameter, Arg arg) {
        if (arg.type == Num.class && parameter == int.class)
            return Math.toIntExact((Long) arg.value);
        if (arg.type == Real.class && parameter == float.class)
            return ((Double) arg.value).floatValue();
        return arg.value;
    }

    private static Arg parse(String token) throws ClassNotFoundException {
        int tilde = token.indexOf('~');
        String value = LineServer.decode(token.substring(tilde + 1));
        switch (token.substring(0, tilde)) {
            case "num":
                return new Arg(Num.class, Long.parseLong(value));
            case "real":
                return new Arg(Real.class, Double.parseDouble(value));
            case "int":
                return new Arg(int.class, Integer.parseInt(value));
            case "long":
                return new Arg(long.class, Long.parseLong(value));
            case "short":
                return new Arg(short.class, Short.parseShort(value));
            case "byte":
                return new Arg(byte.class, Byte.parseByte(value));
            case "char":
                return new Arg(char.class, (char) Integer.parseInt(value));
            case "float":
                return new Arg(float.class, (float) Double.parseDouble(value));
            case "double":
                return new Arg(double.class, Double.parseDouble(value));
            case "boolean":
                return new Arg(boolean.class, Boolean.parseBoolean(value));
            case "string":
                return new Arg(String.class, value);
            case "utf16":
                return new Arg(String.class, utf16(value));
            case "sb":
                return new Arg(StringBuilder.class, new StringBuilder(value));
            case "chars":
                return new Arg(char[].class, value.toCharArray());
            case "bytes":
                return new Arg(byte[].class, LineServer.unhex(value));
            case "buffer":
                return new Arg(ByteBuffer.class, ByteBuffer.wrap(LineServer.unhex(value)));
            case "null":
                return new Arg(Null.class, null);
            case "class":
                return new Arg(Class.class, value.equals("Colour") ? Colour.class : Class.forName(value));
            case "enum":
                return new Arg(Colour.class, Colour.valueOf(value));
            case "date":
                return new Arg(Date.class, new Date(Long.parseLong(value)));
            case "bigdec":
                return new Arg(BigDecimal.class, new BigDecimal(value));
            case "bigint":
                return new Arg(BigInteger.class, new BigInteger(value));
            case "uuid":
                return new Arg(UUID.class, UUID.fromString(value));
            case "instant":
                return new Arg(Instant.class, Instant.parse(value));
            case "list":
                return new Arg(ArrayList.class, items(value));
            case "set":
                return new Arg(LinkedHashSet.class, new LinkedHashSet<>(items(value)));
            case "map": {
                Map<Object, Object> map = new LinkedHashMap<>();
                List<Object> items = items(value);
                for (int i = 0; i < items.size(); i += 2)
                    map.put(items.get(i), items.get(i + 1));
                return new Arg(LinkedHashMap.class, map);
            }
            case "ext":
                return new Arg(Ext.class, new Ext().set(value));
            case "marsh":
                return new Arg(Marsh.class, new Marsh().set(value));
            case "pojo":
                return new Arg(Pojo.class, new Pojo().set(value));
            case "stop": {
                StopCharTester tester = c -> value.indexOf(c) >= 0;
                return new Arg(StopCharTester.class, tester);
            }
            default:
                throw new IllegalArgumentException("unknown type of token " + token);
        }
    }

    private static ArrayList<Object> items(String value) throws ClassNotFoundException {
        ArrayList<Object> items = new ArrayList<>();
        if (!value.isEmpty())
            for (String token : value.split(";"))
                items.add(parse(token).value);
        return items;
    }

    private static String utf16(String hex) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < hex.length(); i += 4)
            text.append((char) Integer.parseInt(hex.substring(i, i + 4), 16));
        return text.toString();
    }

    private static String token(Object value) {
        if (value == null)
            return "null~";
        if (value instanceof String)
            return text("string", (String) value);
        if (value instanceof StringBuilder)
            return text("sb", value.toString());
        if (value instanceof char[])
            return text("chars", new String((char[]) value));
        if (value instanceof Integer)
            return "int~" + value;
        if (value instanceof Long)
            return "long~" + value;
        if (value instanceof Short)
            return "short~" + value;
        if (value instanceof Byte)
            return "byte~" + value;
        if (value instanceof Character)
            return "char~" + (int) (Character) value;
        if (value instanceof Float)
            return "float~" + (double) (Float) value;
        if (value instanceof Double)
            return "double~" + value;
        if (value instanceof Boolean)
            return "boolean~" + value;
        if (value instanceof byte[])
            return "bytes~" + LineServer.hex((byte[]) value);
        if (value instanceof ByteBuffer) {
            ByteBuffer buffer = ((ByteBuffer) value).duplicate();
            buffer.clear();
            byte[] data = new byte[buffer.remaining()];
            buffer.get(data);
            return "buffer~" + LineServer.hex(data);
        }
        if (value instanceof Class)
            return text("class", ((Class<?>) value).getName());
        if (value instanceof Enum)
            return text("enum", ((Enum<?>) value).name());
        if (value instanceof Date)
            return "date~" + ((Date) value).getTime();
        if (value instanceof BigDecimal)
            return text("bigdec", value.toString());
        if (value instanceof BigInteger)
            return text("bigint", value.toString());
        if (value instanceof UUID)
            return text("uuid", value.toString());
        if (value instanceof Instant)
            return text("instant", value.toString());
        if (value instanceof Map) {
            List<Object> items = new ArrayList<>();
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                items.add(entry.getKey());
                items.add(entry.getValue());
            }
            return tokens("map", items);
        }
        if (value instanceof Collection)
            return tokens(value instanceof Set ? "set" : "list", (Collection<?>) value);
        if (value instanceof Ext)
            return text("ext", value.toString());
        if (value instanceof Marsh)
            return text("marsh", value.toString());
        if (value instanceof Pojo)
            return text("pojo", value.toString());
        return text("object", value.getClass().getName() + ":" + value);
    }

    private static String tokens(String type, Collection<?> items) {
        StringBuilder text = new StringBuilder();
        for (Object item : items)
            text.append(text.length() == 0 ? "" : ";").append(token(item));
        return type + "~" + LineServer.encode(text.toString());
    }

    /** Text that UTF-8 cannot hold (a surrogate alone) goes as UTF-16. */
    private static String text(String type, String value) {
        if (StandardCharsets.UTF_8.newEncoder().canEncode(value))
            return type + "~" + LineServer.encode(value);
        StringBuilder units = new StringBuilder();
        for (int i = 0; i < value.length(); i++)
            units.append(String.format("%04x", (int) value.charAt(i)));
        return "utf16~" + units;
    }
}
