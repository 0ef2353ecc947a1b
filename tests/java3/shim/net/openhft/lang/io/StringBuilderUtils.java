package net.openhft.lang.io;

/**
 * Stands before the class of lang 6.7.6 on the class path, so that text can be read on Java 9 and later.
 *
 * <p>Lang's own writes into {@code AbstractStringBuilder.value}, which it takes for a {@code char[]}; since compact
 * strings (JEP 254) it is a {@code byte[]}. Its one caller, {@code NativeBytes.readUTF1}, asks for the characters,
 * fills them from the start and then sets the count, so here the characters are the thread's own until the count is set.
 */
public final class StringBuilderUtils {
    private static final ThreadLocal<char[]> CHARS = ThreadLocal.withInitial(() -> new char[0]);

    private StringBuilderUtils() {
    }

    /** Characters to fill, as many as {@code builder} has capacity for; {@link #setCount} puts them into it. */
    public static char[] extractChars(StringBuilder builder) {
        if (CHARS.get().length < builder.capacity())
            CHARS.set(new char[builder.capacity()]);
        return CHARS.get();
    }

    /** Makes the first {@code count} characters that were handed out the whole text of {@code builder}. */
    public static void setCount(StringBuilder builder, int count) {
        builder.setLength(0);
        builder.append(CHARS.get(), 0, count);
    }

    /** Whether {@code text} ends with {@code end}, letter case aside. */
    public static boolean endsWith(CharSequence text, String end) {
        return text.toString().regionMatches(true, text.length() - end.length(), end, 0, end.length());
    }

    /** Whether the two hold the same characters; nothing equals null. */
    public static boolean isEqual(CharSequence one, CharSequence other) {
        return one != null && one.toString().contentEquals(other);
    }

    /** The text of an object, null of null. */
    public static String toString(Object object) {
        return object == null ? null : object.toString();
    }
}
