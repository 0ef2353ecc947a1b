package pychronix.peer;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The line protocol of the Java peers, as JavaProcess of tests/fix_java.py speaks it.
 *
 * <p>A request is one line on stdin: {@code verb key=value key=value ...}. The answer is zero or more rows
 * ({@code | field field ...}), ended by exactly one line {@code ok key=value ...} or {@code error <class> <message>}.
 * Values are URL-encoded, payloads are hex ({@code -} is the empty one). Nothing else is printed on stdout; everything
 * Chronicle says goes to stderr. The process ends when stdin does.
 */
abstract class LineServer {
    private static final char[] HEX = "0123456789abcdef".toCharArray();

    private final PrintStream out;
    private final StringBuilder rows = new StringBuilder();
    private final Map<Integer, Object> objects = new HashMap<>();
    private int nextId = 1;
    private Map<String, String> request = new HashMap<>();

    LineServer() throws IOException {
        out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "US-ASCII");
        System.setOut(System.err);
    }

    /** Serves one request; what it returns (see {@link #pairs}) ends the answer. */
    abstract String handle(String verb) throws Exception;

    void serve() throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 16);
        for (String line; (line = in.readLine()) != null; ) {
            rows.setLength(0);
            String end;
            try {
                String[] parts = line.trim().split(" ");
                request = new LinkedHashMap<>();
                for (int i = 1; i < parts.length; i++) {
                    int equals = parts[i].indexOf('=');
                    request.put(parts[i].substring(0, equals), decode(parts[i].substring(equals + 1)));
                }
                end = "ok" + handle(parts[0]);
            } catch (Throwable t) {
                t.printStackTrace();
                end = "error " + t.getClass().getName() + " " + encode(String.valueOf(t.getMessage()));
            }
            rows.append(end).append('\n');
            out.append(rows);
            out.flush();
        }
        System.exit(0);
    }

    /** The object whose number the request gives under {@code key}. */
    Object object(String key) {
        Object object = objects.get((int) number(key));
        if (object == null)
            throw new IllegalArgumentException("no such " + key + ": " + text(key));
        return object;
    }

    int add(Object object) {
        objects.put(nextId, object);
        return nextId++;
    }

    Object remove(String key) {
        return objects.remove((int) number(key));
    }

    boolean has(String key) {
        return request.containsKey(key);
    }

    String text(String key) {
        String value = request.get(key);
        if (value == null)
            throw new IllegalArgumentException("missing " + key);
        return value;
    }

    String text(String key, String otherwise) {
        return request.getOrDefault(key, otherwise);
    }

    long number(String key) {
        return Long.parseLong(text(key));
    }

    long number(String key, long otherwise) {
        return has(key) ? number(key) : otherwise;
    }

    boolean flag(String key) {
        return "1".equals(request.get(key));
    }

    void row(Object... fields) {
        rows.append('|');
        for (Object field : fields)
            rows.append(' ').append(field);
        rows.append('\n');
        if (rows.length() > 1 << 16) {
            out.append(rows);
            rows.setLength(0);
        }
    }

    static String pairs(Object... keysAndValues) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < keysAndValues.length; i += 2)
            text.append(' ').append(keysAndValues[i]).append('=').append(encode(String.valueOf(keysAndValues[i + 1])));
        return text.toString();
    }

    static String encode(String value) {
        return URLEncoder.encode(value, StandardCharsets.UTF_8);
    }

    static String decode(String value) {
        return URLDecoder.decode(value, StandardCharsets.UTF_8);
    }

    static String hex(byte[] data) {
        if (data.length == 0)
            return "-";
        char[] text = new char[data.length * 2];
        for (int i = 0; i < data.length; i++) {
            text[2 * i] = HEX[(data[i] >> 4) & 15];
            text[2 * i + 1] = HEX[data[i] & 15];
        }
        return new String(text);
    }

    static byte[] unhex(String text) {
        if (text.equals("-"))
            return new byte[0];
        byte[] data = new byte[text.length() / 2];
        for (int i = 0; i < data.length; i++)
            data[i] = (byte) (Character.digit(text.charAt(2 * i), 16) << 4 | Character.digit(text.charAt(2 * i + 1), 16));
        return data;
    }
}
