package pychronix.peer;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import net.openhft.chronicle.ExcerptCommon;

/**
 * An appender or tailer with a thread of its own, on which all its calls are made.
 *
 * <p>Chronicle 3 hands out one appender and one tailer for each thread, and an appender writes the data files of the
 * thread it runs on: a thread each makes them as many and as different as the test says.
 */
final class Actor {
    final ExcerptCommon excerpt;
    private final ExecutorService thread;

    Actor(Callable<? extends ExcerptCommon> create) throws Exception {
        thread = Executors.newSingleThreadExecutor(run -> {
            Thread made = new Thread(run, "actor");
            made.setDaemon(true);
            return made;
        });
        excerpt = call(create);
    }

    <T> T call(Callable<T> work) throws Exception {
        try {
            return thread.submit(work).get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Error)
                throw (Error) e.getCause();
            throw (Exception) e.getCause();
        }
    }

    void close() throws Exception {
        try {
            call(() -> {
                excerpt.close();
                return null;
            });
        } finally {
            thread.shutdown();
        }
    }
}
