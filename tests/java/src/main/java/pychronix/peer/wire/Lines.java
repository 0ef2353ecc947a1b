package pychronix.peer.wire;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The line protocol of {@code pychronix.peer.Peer} for small programs: a subclass answers one request at a time.
 *
 * <p>A request is {@code verb key=value ...}, values URL-encoded, bytes as hex ({@code -} for none of them). The answer is
 * the rows that {@link #row} was given, then {@code ok key=value ...} of {@link #put}, or {@code error <class> <message>}.
 * Everything that Chronicle prints goes to stderr. The verb {@code hello} is answered here.
 */
abstract class Lines {
    private final StringBuilder answer = new StringBuilder();
    private final StringBuilder end = new StringBuilder();
    private Map<String, String> request;

    /** Serves one request; what it throws is the answer. */
    abstract void handle(String verb) throws Throwable;

    /** Serves stdin until it ends. */
    final void serve() throws IOException {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "US-ASCII");
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 16);
        for (String line; (line = in.readLine()) != null; ) {
            answer.setLength(0);
            end.setLength(0);
            try {
                String[] words = line.trim().split(" ");
                request = new LinkedHashMap<>();
                for (int i = 1; i < words.length; i++) {
                    int equals = words[i].indexOf('=');
                    request.put(words[i].substring(0, equals),
                        URLDecoder.decode(words[i].substring(equals + 1), StandardCharsets.UTF_8));
                }
                if (words[0].equals("hello")) {
                    put("pid", ProcessHandle.current().pid());
                    put("release", System.getProperty("pychronix.release"));
                    put("java", System.getProperty("java.version"));
                } else {
                    handle(words[0]);
                }
                answer.append("ok").append(end);
            } catch (Throwable t) {
                t.printStackTrace();
                answer.append("error ").append(t.getClass().getName()).append(' ').append(encode(t.getMessage()));
            }
            out.append(answer).append('\n');
            out.flush();
        }
    }

    /** The value of a key of the request; throws where there is none. */
    final String get(String key) {
        String value = request.get(key);
        if (value == null)
            throw new IllegalArgumentException("no " + key + " in the request");
        return value;
    }

    final String get(String key, String otherwise) {
        return request.getOrDefault(key, otherwise);
    }

    final byte[] bytes(String key) {
        return unhex(get(key));
    }

    /** Adds {@code key=value} to the last line of the answer. */
    final void put(String key, Object value) {
        end.append(' ').append(key).append('=').append(encode(value));
    }

    /** Adds a row of fields, each URL-encoded. */
    final void row(Object... fields) {
        answer.append('|');
        for (Object field : fields)
            answer.append(' ').append(encode(field));
        answer.append('\n');
    }

    static String encode(Object value) {
        return URLEncoder.encode(String.valueOf(value), StandardCharsets.UTF_8);
    }

    static String hex(byte[] data) {
        if (data.length == 0)
            return "-";
        StringBuilder text = new StringBuilder(data.length * 2);
        for (byte one : data)
            text.append(Character.forDigit((one >> 4) & 15, 16)).append(Character.forDigit(one & 15, 16));
        return text.toString();
    }

    static byte[] unhex(String text) {
        byte[] data = new byte[text.equals("-") ? 0 : text.length() / 2];
        for (int i = 0; i < data.length; i++)
            data[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
        return data;
    }
}
