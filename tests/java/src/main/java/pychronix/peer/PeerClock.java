package pychronix.peer;

import net.openhft.chronicle.core.time.TimeProvider;

/** A queue's clock: the system's until a time is set, then that time until set again. Milliseconds since 1970. */
final class PeerClock implements TimeProvider {
    private volatile long fixedMillis = Long.MIN_VALUE;

    @Override
    public long currentTimeMillis() {
        long fixed = fixedMillis;
        return fixed == Long.MIN_VALUE ? System.currentTimeMillis() : fixed;
    }

    void set(long millis) {
        fixedMillis = millis;
    }

    void system() {
        fixedMillis = Long.MIN_VALUE;
    }
}
