package pychronix.peer;

import io.netty.buffer.Unpooled;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Supplier;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.RollCycles;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.DocumentContext;
import net.openhft.chronicle.wire.ValueIn;
import net.openhft.chronicle.wire.WireIn;
import org.apache.cassandra.audit.AuditLogEntry;
import org.apache.cassandra.audit.AuditLogEntryType;
import org.apache.cassandra.audit.AuditLogOptions;
import org.apache.cassandra.audit.BinAuditLogger;
import org.apache.cassandra.auth.AllowAllAuthenticator;
import org.apache.cassandra.auth.AllowAllAuthorizer;
import org.apache.cassandra.auth.AllowAllNetworkAuthorizer;
import org.apache.cassandra.config.DatabaseDescriptor;
import org.apache.cassandra.cql3.CQL3Type;
import org.apache.cassandra.cql3.FieldIdentifier;
import org.apache.cassandra.cql3.QueryOptions;
import org.apache.cassandra.cql3.statements.BatchStatement;
import org.apache.cassandra.db.ConsistencyLevel;
import org.apache.cassandra.db.marshal.AbstractType;
import org.apache.cassandra.db.marshal.UserType;
import org.apache.cassandra.fql.FullQueryLogger;
import org.apache.cassandra.schema.CQLTypeParser;
import org.apache.cassandra.schema.Types;
import org.apache.cassandra.service.ClientState;
import org.apache.cassandra.service.QueryState;
import org.apache.cassandra.service.pager.PagingState;
import org.apache.cassandra.tools.AuditLogViewer;
import org.apache.cassandra.transport.ProtocolVersion;
import org.apache.cassandra.utils.ByteBufferUtil;

/**
 * Cassandra's own loggers without a server: they write full-query and audit logs, and Cassandra's own classes say what
 * stands in them. See {@link LineServer} for the protocol's form. Bound values are hex, with {@code null}, {@code unset}
 * and {@code -} (empty); a list of them has commas between.
 *
 * <pre>
 * hello                                            pid release java
 * enable dir [roll max_size]                       FullQueryLogger.enable, which empties the directory first
 * resume dir [roll]                                FullQueryLogger.enableWithoutClean
 * settle | stop                                    all that was logged is in the files then
 * close                                            both logs are stopped, if they are open
 * query text time [keyspace generated OPTIONS]     FullQueryLogger.querySuccess
 * batch batch_type time n text0 values0 ... [keyspace generated OPTIONS]
 *     OPTIONS: protocol consistency values skip_metadata page_size paging serial timestamp now options_keyspace
 * load first count [pause_us] | load_wait ms       queries "SELECT * FROM t WHERE k = N" by a thread; count
 * audit_enable dir [roll] | audit_stop
 * audit type time [user keyspace operation batch]  BinAuditLogger.log
 * dump dir [roll]                                  rows: index type name=value..., as fqltool reads a record
 * audit_view dir [roll]                            rows: what auditlogviewer prints of a record
 * options protocol hex                             what QueryOptions.codec makes of these bytes
 * udt name fields                                  fields: name:type;name:type
 * encode type json                                 hex of a value, from its JSON
 * show type hex                                    string json literal class: how Cassandra shows a value
 * </pre>
 */
public final class CassandraPeer extends LineServer {
    private static final String KEYSPACE = "ks";

    private final List<UserType> userTypes = new ArrayList<>();
    private BinAuditLogger auditLogger;
    private CompletableFuture<Long> load;

    private CassandraPeer() throws IOException {
    }

    public static void main(String[] args) throws IOException {
        CassandraPeer peer = new CassandraPeer();
        DatabaseDescriptor.clientInitialization();
        allowAll();
        peer.serve();
    }

    /** What a server has from its configuration: who may come. The audit log's clients are asked for it. */
    private static void allowAll() {
        DatabaseDescriptor.setAuthenticator(new AllowAllAuthenticator());
        DatabaseDescriptor.setAuthorizer(new AllowAllAuthorizer());
        DatabaseDescriptor.setNetworkAuthorizer(new AllowAllNetworkAuthorizer());
        // 5.0 has one more.
        for (Method method : DatabaseDescriptor.class.getMethods()) {
            try {
                if (method.getName().equals("setCIDRAuthorizer"))
                    method.invoke(null, Class.forName("org.apache.cassandra.auth.AllowAllCIDRAuthorizer")
                        .getConstructor().newInstance());
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    @Override
    String handle(String verb) throws Exception {
        switch (verb) {
            case "hello":
                return pairs("pid", ProcessHandle.current().pid(), "release", System.getProperty("pychronix.release"),
                    "java", System.getProperty("java.version"));
            case "enable":
                FullQueryLogger.instance.enable(Paths.get(text("dir")), text("roll", "HOURLY"), true, 1 << 28,
                    number("max_size", 1L << 34), "", 0);
                return "";
            case "resume":
                FullQueryLogger.instance.enableWithoutClean(Paths.get(text("dir")), text("roll", "HOURLY"), true, 1 << 28,
                    1L << 34, "", 0);
                return "";
            case "settle":
                settle(FullQueryLogger.instance);
                return "";
            case "stop":
                settle(FullQueryLogger.instance);
                FullQueryLogger.instance.stop();
                return "";
            case "query":
                FullQueryLogger.instance.querySuccess(null, text("text"), options(), state(), number("time"), null);
                return "";
            case "batch":
                batch();
                return "";
            case "load":
                load = CompletableFuture.supplyAsync(loader(number("first"), number("count"), number("pause_us", 0)));
                return "";
            case "load_wait":
                return pairs("count", load.get(number("ms"), TimeUnit.MILLISECONDS));
            case "audit_enable":
                new File(text("dir")).mkdirs();
                AuditLogOptions options = DatabaseDescriptor.getAuditLoggingOptions();
                options.audit_logs_dir = text("dir");
                options.roll_cycle = text("roll", "HOURLY");
                auditLogger = new BinAuditLogger(Collections.emptyMap());
                return "";
            case "audit":
                audit();
                return "";
            case "audit_stop":
                stopAudit();
                return "";
            case "close":
                if (FullQueryLogger.instance.isEnabled())
                    FullQueryLogger.instance.stop();
                if (auditLogger != null)
                    stopAudit();
                userTypes.clear();
                return "";
            case "dump":
                dump();
                return "";
            case "audit_view":
                auditView();
                return "";
            case "options":
                return pairs(optionsOf(unhex(text("hex")), (int) number("protocol")));
            case "udt":
                userType();
                return "";
            case "encode":
                return pairs("hex", hex(type().fromJSONObject(json()).bindAndGet(QueryOptions.DEFAULT)));
            case "show":
                return show();
            default:
                throw new IllegalArgumentException("unknown verb " + verb);
        }
    }

    // --- writing -----------------------------------------------------------------------------------------------------

    /** Waits until a logger's thread has written all: a logger that is stopped drops what is still in its queue. */
    private static void settle(Object logger) throws Exception {
        Object log = field(logger, "binLog");
        Collection<?> waiting = (Collection<?>) field(field(log, "sampleQueue"), "queue");
        Thread writer = (Thread) field(log, "binLogThread");
        long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!waiting.isEmpty() || writer.getState() != Thread.State.WAITING) {
            if (System.nanoTime() > limit)
                throw new IllegalStateException(waiting.size() + " records were not written within 30 s");
            Thread.sleep(1);
        }
    }

    private void stopAudit() throws Exception {
        settle(auditLogger);
        auditLogger.stop();
        auditLogger = null;
    }

    private QueryState state() {
        ClientState client = has("keyspace") ? ClientState.forInternalCalls(text("keyspace"))
            : ClientState.forInternalCalls();
        QueryState state = new QueryState(client);
        if (flag("generated")) {
            state.getTimestamp();
            state.getNowInSeconds();
        }
        return state;
    }

    private QueryOptions options() throws Exception {
        ProtocolVersion version = ProtocolVersion.decode((int) number("protocol", 5), true);
        PagingState paging = has("paging") ? new PagingState(ByteBuffer.wrap(unhex(text("paging"))), null, 7, 3) : null;
        ConsistencyLevel serial = has("serial") ? ConsistencyLevel.valueOf(text("serial")) : null;
        Object[] common = {ConsistencyLevel.valueOf(text("consistency", "ONE")), values(text("values", "")),
            flag("skip_metadata"), (int) number("page_size", -1), paging, serial, version, text("options_keyspace", null)};
        boolean timed = has("timestamp") || has("now");
        for (Method create : QueryOptions.class.getMethods()) {
            if (!create.getName().equals("create") || create.getParameterCount() != (timed ? 10 : 8))
                continue;
            if (!timed)
                return (QueryOptions) create.invoke(null, common);
            Object[] all = Arrays.copyOf(common, 10);
            all[8] = number("timestamp", Long.MIN_VALUE);
            // Seconds became a long in 5.0.
            if (create.getParameterTypes()[9] == int.class)
                all[9] = (int) number("now", Integer.MIN_VALUE);
            else
                all[9] = number("now", Long.MIN_VALUE);
            return (QueryOptions) create.invoke(null, all);
        }
        throw new IllegalStateException("QueryOptions.create is not as expected");
    }

    private static List<ByteBuffer> values(String text) {
        List<ByteBuffer> values = new ArrayList<>();
        for (String value : text.isEmpty() ? new String[0] : text.split(","))
            values.add(value.equals("null") ? null : value.equals("unset") ? ByteBufferUtil.UNSET_BYTE_BUFFER
                : ByteBuffer.wrap(unhex(value)));
        return values;
    }

    private void batch() throws Exception {
        List<String> queries = new ArrayList<>();
        List<List<ByteBuffer>> values = new ArrayList<>();
        for (int i = 0; i < number("n"); i++) {
            queries.add(text("text" + i));
            values.add(values(text("values" + i)));
        }
        FullQueryLogger.instance.batchSuccess(BatchStatement.Type.valueOf(text("batch_type")), null, queries, values,
            options(), state(), number("time"), null);
    }

    private Supplier<Long> loader(long first, long count, long pauseMicros) throws Exception {
        QueryOptions options = options();
        return () -> {
            QueryState state = new QueryState(ClientState.forInternalCalls("loaded"));
            for (long i = first; i < first + count; i++) {
                FullQueryLogger.instance.querySuccess(null, "SELECT * FROM t WHERE k = " + i, options, state,
                    System.currentTimeMillis(), null);
                if (pauseMicros > 0)
                    LockSupport.parkNanos(pauseMicros * 1000);
            }
            return count;
        };
    }

    private void audit() throws Exception {
        ClientState client = ClientState.forExternalCalls(new InetSocketAddress(text("source", "192.0.2.1"), 50123));
        AuditLogEntry.Builder builder = new AuditLogEntry.Builder(new QueryState(client));
        builder.setType(AuditLogEntryType.valueOf(text("type"))).setTimestamp(number("time"));
        if (has("user"))
            builder.setUser(text("user"));
        if (has("keyspace"))
            builder.setKeyspace(text("keyspace"));
        if (has("batch"))
            builder.setBatch(java.util.UUID.fromString(text("batch")));
        builder.setOperation(text("operation", ""));
        auditLogger.log(builder.build());
    }

    // --- reading -----------------------------------------------------------------------------------------------------

    private ChronicleQueue open() {
        return SingleChronicleQueueBuilder.single(new File(text("dir"))).readOnly(true)
            .rollCycle(RollCycles.valueOf(text("roll", "HOURLY"))).build();
    }

    private void dump() throws Exception {
        try (ChronicleQueue queue = open()) {
            ExcerptTailer tailer = queue.createTailer();
            while (true) {
                try (DocumentContext document = tailer.readingDocument()) {
                    if (!document.isPresent())
                        return;
                    WireIn wire = document.wire();
                    List<Object> row = new ArrayList<>();
                    put(row, "index", document.index());
                    put(row, "version", wire.read("version").int16());
                    String type = wire.read("type").text();
                    put(row, "type", type);
                    if (type.equals("audit"))
                        put(row, "message", wire.read("message").text());
                    else
                        dumpQueries(type, wire, row);
                    row(pairs(row.toArray()).trim());
                }
            }
        }
    }

    private static void dumpQueries(String type, WireIn wire, List<Object> row) throws Exception {
        put(row, "time", wire.read("query-start-time").int64());
        int protocol = wire.read("protocol-version").int32();
        put(row, "protocol", protocol);
        byte[] bytes = wire.read("query-options").bytes();
        put(row, "options", hex(bytes));
        row.addAll(Arrays.asList(optionsOf(bytes, protocol)));
        put(row, "generated_timestamp", wire.read("generated-timestamp").int64());
        put(row, "generated_now", wire.read("generated-now-in-seconds").int64());
        put(row, "keyspace", wire.read("keyspace").text());
        if (!type.equals("batch")) {
            put(row, "query", wire.read("query").text());
            return;
        }
        put(row, "batch_type", wire.read("batch-type").text());
        ValueIn in = wire.read("queries");
        int queries = in.int32();
        for (int i = 0; i < queries; i++)
            put(row, "query" + i, in.text());
        in = wire.read("values");
        int lists = in.int32();
        for (int i = 0; i < lists; i++) {
            List<ByteBuffer> values = new ArrayList<>();
            for (int n = in.int32(); n > 0; n--)
                values.add(ByteBuffer.wrap(in.bytes()));
            put(row, "batch_values" + i, told(values));
        }
        put(row, "n", queries);
    }

    private static void put(List<Object> row, String name, Object value) {
        row.add(name);
        row.add(value);
    }

    private static String told(List<ByteBuffer> values) {
        List<String> told = new ArrayList<>();
        for (ByteBuffer value : values)
            told.add(value == null ? "null" : value == ByteBufferUtil.UNSET_BYTE_BUFFER ? "unset" : hex(value));
        return String.join(",", told);
    }

    private static Object[] optionsOf(byte[] bytes, int protocol) throws Exception {
        ProtocolVersion version = ProtocolVersion.decode(protocol, true);
        QueryOptions options = QueryOptions.codec.decode(Unpooled.wrappedBuffer(bytes), version);
        Method specific = QueryOptions.class.getDeclaredMethod("getSpecificOptions");
        specific.setAccessible(true);
        Object more = specific.invoke(options);
        PagingState paging = options.getPagingState();
        return new Object[] {"consistency", options.getConsistency(), "values", told(options.getValues()),
            "skip_metadata", options.skipMetadata(), "page_size", options.getPageSize(),
            "paging", paging == null ? "none" : hex(paging.serialize(version)),
            "serial", options.getSerialConsistency(), "timestamp", field(more, "timestamp"),
            "now", field(more, "nowInSeconds"), "options_keyspace", options.getKeyspace()};
    }

    private static Object field(Object object, String name) throws Exception {
        java.lang.reflect.Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }

    private void auditView() throws Exception {
        Method dump = AuditLogViewer.class.getDeclaredMethod("dump", List.class, String.class, boolean.class,
            boolean.class, Consumer.class);
        dump.setAccessible(true);
        Consumer<String> show = text -> row(encode(text));
        dump.invoke(null, List.of(text("dir")), text("roll", "HOURLY"), false, false, show);
    }

    // --- values ------------------------------------------------------------------------------------------------------

    private AbstractType<?> type(String text) {
        return CQLTypeParser.parse(KEYSPACE, text, Types.of(userTypes.toArray(new UserType[0])));
    }

    private AbstractType<?> type() {
        return type(text("type"));
    }

    private void userType() {
        List<FieldIdentifier> names = new ArrayList<>();
        List<AbstractType<?>> types = new ArrayList<>();
        for (String field : text("fields").split(";")) {
            int colon = field.indexOf(':');
            names.add(FieldIdentifier.forInternalString(field.substring(0, colon)));
            types.add(type(field.substring(colon + 1)).freeze());
        }
        userTypes.removeIf(known -> known.getNameAsString().equals(text("name")));
        userTypes.add(new UserType(KEYSPACE, ByteBufferUtil.bytes(text("name")), names, types, true));
    }

    private Object json() throws Exception {
        // Cassandra's own decoder of JSON, which a release has here or there.
        for (String name : new String[] {"org.apache.cassandra.cql3.Json", "org.apache.cassandra.utils.JsonUtils"}) {
            try {
                return Class.forName(name).getMethod("decodeJson", String.class).invoke(null, text("json"));
            } catch (ClassNotFoundException | NoSuchMethodException e) {
                continue;
            }
        }
        throw new IllegalStateException("no decodeJson");
    }

    private String show() throws Exception {
        AbstractType<?> type = type();
        ByteBuffer value = ByteBuffer.wrap(unhex(text("hex")));
        type.validate(value);
        return pairs("string", type.getString(value.duplicate()), "json",
            type.toJSONString(value.duplicate(), ProtocolVersion.V5), "literal", literal(type.asCQL3Type(), value),
            "class", type.toString());
    }

    private static String literal(CQL3Type type, ByteBuffer value) throws Exception {
        for (Method method : CQL3Type.class.getMethods()) {
            if (method.getName().equals("toCQLLiteral")) {
                method.setAccessible(true);
                return (String) (method.getParameterCount() == 1 ? method.invoke(type, value.duplicate())
                    : method.invoke(type, value.duplicate(), ProtocolVersion.V5));
            }
        }
        throw new IllegalStateException("no toCQLLiteral");
    }

    private static String hex(ByteBuffer buffer) {
        byte[] data = new byte[buffer.remaining()];
        buffer.duplicate().get(data);
        return hex(data);
    }
}
