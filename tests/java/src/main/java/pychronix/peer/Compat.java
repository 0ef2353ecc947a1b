package pychronix.peer;

import java.io.File;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.openhft.chronicle.bytes.BytesStore;
import net.openhft.chronicle.core.values.LongValue;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.RollCycle;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueue;

/**
 * What differs between the releases 4.16 to 2026.4, reached by name so that one source compiles against each.
 *
 * <p>A facility a release does not have raises {@link UnsupportedOperationException}: the tests then know that it is
 * the release, not the test, that lacks it. Nothing here is on a measured path.
 */
final class Compat {
    private static final String[] ROLL_CYCLE_ENUMS = {
        "net.openhft.chronicle.queue.RollCycles",
        "net.openhft.chronicle.queue.rollcycles.LegacyRollCycles",
        "net.openhft.chronicle.queue.rollcycles.LargeRollCycles",
        "net.openhft.chronicle.queue.rollcycles.SparseRollCycles",
        "net.openhft.chronicle.queue.rollcycles.TestRollCycles",
    };

    private Compat() {
    }

    /** Every roll cycle of the release by name, the main enum first. */
    static Map<String, RollCycle> rollCycles() {
        Map<String, RollCycle> found = new LinkedHashMap<>();
        for (String name : ROLL_CYCLE_ENUMS) {
            Class<?> type;
            try {
                type = Class.forName(name);
            } catch (ClassNotFoundException absent) {
                continue;
            }
            for (Object constant : type.getEnumConstants())
                found.putIfAbsent(((Enum<?>) constant).name(), (RollCycle) constant);
        }
        return found;
    }

    static RollCycle rollCycle(String name) {
        RollCycle cycle = rollCycles().get(name);
        if (cycle == null)
            throw new UnsupportedOperationException("roll cycle " + name);
        return cycle;
    }

    static long rollCycleLengthMillis(RollCycle cycle) {
        return ((Number) call(cycle, new String[] {"lengthInMillis", "length"})).longValue();
    }

    /** From 5.24 on a new appender each time; before it the thread's one appender. */
    static ExcerptAppender appender(ChronicleQueue queue) {
        return (ExcerptAppender) call(queue, new String[] {"createAppender", "acquireAppender"});
    }

    /** Whether an appender is its own object, to be closed by its owner, rather than its thread's shared one. */
    static boolean createsAppenders() {
        try {
            Method method = SingleChronicleQueue.class.getMethod("createAppender");
            return method.getDeclaringClass() == SingleChronicleQueue.class;
        } catch (NoSuchMethodException absent) {
            return false;
        }
    }

    static ExcerptTailer tailer(ChronicleQueue queue, String name) {
        return name == null ? queue.createTailer() : (ExcerptTailer) call(queue, new String[] {"createTailer"}, name);
    }

    static long lastIndex(ChronicleQueue queue) {
        return (Long) call(queue, new String[] {"lastIndex"});
    }

    static void writeBytesAt(ExcerptAppender appender, long index, BytesStore<?, ?> bytes) {
        call(appender, new String[] {"writeBytes"}, index, bytes);
    }

    /** The roll file of a cycle, as the queue itself names it, or null where there is none. */
    static File fileOfCycle(SingleChronicleQueue queue, int cycle) {
        Object store;
        Method method = find(queue.getClass(), "storeForCycle", cycle, queue.epoch(), false, null);
        if (method != null)
            store = invoke(method, queue, cycle, queue.epoch(), false, null);
        else
            store = call(queue, new String[] {"storeForCycle"}, cycle, queue.epoch(), false);
        if (store == null)
            return null;
        try {
            return (File) call(store, new String[] {"file"});
        } finally {
            call(queue, new String[] {"closeStore", "release"}, store);
        }
    }

    private static Object tableStore(SingleChronicleQueue queue) {
        for (Class<?> type = queue.getClass(); type != null; type = type.getSuperclass())
            for (Field field : type.getDeclaredFields())
                if (field.getName().equals("metaStore")) {
                    field.setAccessible(true);
                    try {
                        return field.get(queue);
                    } catch (IllegalAccessException e) {
                        throw new IllegalStateException(e);
                    }
                }
        throw new UnsupportedOperationException("table store");
    }

    /** The keys of the table store in the file's order. */
    static List<String> tableKeys(SingleChronicleQueue queue) {
        Object store = tableStore(queue);
        List<String> keys = new ArrayList<>();
        Method forEachKey = null;
        for (Method method : store.getClass().getMethods())
            if (method.getName().equals("forEachKey"))
                forEachKey = method;
        if (forEachKey == null)
            throw new UnsupportedOperationException("forEachKey");
        Class<?> visitor = forEachKey.getParameterTypes()[1];
        Object proxy = Proxy.newProxyInstance(visitor.getClassLoader(), new Class<?>[] {visitor},
            (self, method, args) -> {
                if (method.getName().equals("accept"))
                    keys.add(args[1].toString());
                return null;
            });
        invoke(forEachKey, store, keys, proxy);
        return keys;
    }

    /** The bound value of a key; a key that is absent is created, with the given first value where the release can. */
    static LongValue tableValue(SingleChronicleQueue queue, String key, long initial) {
        Object store = tableStore(queue);
        Method method = find(store.getClass(), "acquireValueFor", key, initial);
        if (method != null)
            return (LongValue) invoke(method, store, key, initial);
        return (LongValue) call(store, new String[] {"acquireValueFor"}, key);
    }

    /** Closes an appender or a tailer; nothing where the release shares it or has no such method. */
    static void close(Object object) {
        boolean shared = object instanceof ExcerptAppender && !createsAppenders();
        if (!shared && find(object.getClass(), "close") != null)
            call(object, new String[] {"close"});
    }

    /** Calls the first of the names the object's class has with fitting parameters. */
    static Object call(Object target, String[] names, Object... args) {
        for (String name : names) {
            Method method = find(target.getClass(), name, args);
            if (method != null)
                return invoke(method, target, args);
        }
        throw new UnsupportedOperationException(names[0] + " in " + target.getClass().getName());
    }

    private static Method find(Class<?> start, String name, Object... args) {
        for (Class<?> type = start; type != null; type = type.getSuperclass()) {
            Method method = declared(type, name, args);
            if (method != null)
                return method;
        }
        for (Method method : start.getMethods())
            if (fits(method, name, args))
                return accessible(method);
        return null;
    }

    private static Method declared(Class<?> type, String name, Object[] args) {
        for (Method method : type.getDeclaredMethods())
            if (!method.isBridge() && fits(method, name, args))
                return accessible(method);
        return null;
    }

    private static Method accessible(Method method) {
        method.setAccessible(true);
        return method;
    }

    private static boolean fits(Method method, String name, Object[] args) {
        Class<?>[] types = method.getParameterTypes();
        if (!method.getName().equals(name) || types.length != args.length)
            return false;
        for (int i = 0; i < args.length; i++)
            if (args[i] == null ? types[i].isPrimitive() : !boxed(types[i]).isInstance(args[i]))
                return false;
        return true;
    }

    private static Class<?> boxed(Class<?> type) {
        if (type == long.class)
            return Long.class;
        if (type == int.class)
            return Integer.class;
        if (type == boolean.class)
            return Boolean.class;
        return type;
    }

    private static Object invoke(Method method, Object target, Object... args) {
        try {
            return method.invoke(target, args);
        } catch (InvocationTargetException e) {
            return rethrow(e.getCause());
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> Object rethrow(Throwable cause) throws T {
        throw (T) cause;
    }
}
