package pychronix.peer;

import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.TailerDirection;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.DocumentContext;

/**
 * {@code Dump <queue directory> [reverse]}: every excerpt as {@code <index>\t<hex>}, as Java's own tailer shows it.
 *
 * <p>The index is decimal, so that the output equals {@code pychronix cat --output hex}. Opened read-only.
 */
public final class Dump {
    private Dump() {
    }

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(
            new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16), false, "US-ASCII");
        System.setOut(System.err);
        boolean reverse = args.length > 1 && args[1].equals("reverse");
        try (ChronicleQueue queue = SingleChronicleQueueBuilder.binary(new File(args[0])).readOnly(true).build()) {
            ExcerptTailer tailer = queue.createTailer();
            if (reverse)
                tailer.direction(TailerDirection.BACKWARD).toEnd();
            while (true) {
                try (DocumentContext context = tailer.readingDocument()) {
                    if (!context.isPresent())
                        break;
                    line(out, context);
                }
            }
        }
        out.flush();
        if (out.checkError())
            System.exit(1);
    }

    static void line(PrintStream out, DocumentContext context) {
        out.append(Long.toString(context.index())).append('\t');
        String hex = Peer.hex(context.wire().bytes());
        out.append(hex.equals("-") ? "" : hex).append('\n');
    }
}
