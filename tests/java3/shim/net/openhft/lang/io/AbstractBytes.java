package net.openhft.lang.io;

/**
 * Only here so that the nested class can be compiled: of what javac makes of this file, the build keeps
 * {@code AbstractBytes$FastStringOperations16.class} and nothing else, and puts it before lang 6.7.6 on the class path.
 */
class AbstractBytes {
    /** Stands for lang's own. */
    abstract static class FastStringOperations {
        abstract long getUtf8EncodedStringLength(String text);

        abstract char[] extractChars(String text);
    }

    /**
     * What lang 6.7.6 tries first for the characters of a String. Its own looks for {@code String.offset} and gives way
     * to one that casts {@code String.value} to {@code char[]}, which has been a {@code byte[]} since Java 9.
     */
    static final class FastStringOperations16 extends FastStringOperations {
        /** Lang calls the constructor javac made for a private one, whose parameter is a synthetic class. */
        FastStringOperations16(AbstractBytes$1 synthetic) {
        }

        @Override
        long getUtf8EncodedStringLength(String text) {
            long size = 0;
            for (int i = 0; i < text.length(); i++)
                size += text.charAt(i) < 0x80 ? 1 : text.charAt(i) < 0x800 ? 2 : 3;
            return size;
        }

        @Override
        char[] extractChars(String text) {
            return text.toCharArray();
        }
    }
}

/** Stands for lang's synthetic class of this name. */
class AbstractBytes$1 {
}
