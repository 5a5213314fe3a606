import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/**
 * Readers PUBLISHED: in each mode four threads read the marts through a pool, until enough generations were
 * seen and enough queries asked. Prints a line a mode:
 *
 * torn     answers whose marts do not add up, with each other or with other queries of the checkout
 * mixed    answers with marts of two generations, and checkouts with two
 * stale    answers of a generation older than the one that CURRENT named before the checkout
 * untrue   answers that are not what the files of their generation give, read by their names afterwards
 */
final class Readers {
    enum Mode {
        PLAIN(Pool.Init.EACH_CHECKOUT, 5, 1000),
        /** Prepared, and run twice. */
        PREPARED(Pool.Init.EACH_CHECKOUT, 5, 1000),
        /** The same, where c3p0 keeps the prepared statement for the connection's next checkouts. */
        CACHED(Pool.Init.EACH_CHECKOUT, 5, 1000),
        /** Queries in a transaction that outlasts a generation. */
        TRANSACTION(Pool.Init.EACH_CHECKOUT, 5, 0),
        /** What must go wrong: init.sql once for each connection, not at each checkout. */
        ONCE(Pool.Init.EACH_CONNECTION, 2, 0),
        /** What must go wrong: one mart of another generation. */
        CROSSED(Pool.Init.EACH_CHECKOUT, 2, 0);

        private final Pool.Init init;
        private final long generations;
        private final long queries;

        Mode(Pool.Init init, long generations, long queries) {
            this.init = init;
            this.generations = generations;
            this.queries = queries;
        }
    }

    private static final int THREADS = 4;
    private static final long PATIENCE = TimeUnit.MINUTES.toNanos(3);
    /** So many tell enough. */
    private static final long ERRORS = 100;
    /** Each asks one mart for the newest poll, as the answers have it, or for the rows of all polls. */
    private static final List<String> NEWEST = List.of(
            "select epoch_us(snapshot_time) from kpi_latest",
            "select epoch_us(max(snapshot_time)) from current_positions",
            "select epoch_us(max(last_seen)) from country_stats");
    private static final List<String> ROWS = List.of("select sum(total_flights)::bigint from hourly_activity");
    /** The same of the view over the lake's files, whose list is part of the generation. */
    private static final List<String> CLEANED_NEWEST =
            List.of("select epoch_us(max(snapshot_time)) from cleaned_flights");
    private static final List<String> CLEANED_ROWS = List.of("select count(*) from cleaned_flights");

    private final Path published;
    private final Mode mode;
    private final Pool pool;
    private final long first;
    private final LongAdder queries = new LongAdder();
    private final LongAdder torn = new LongAdder();
    private final LongAdder mixed = new LongAdder();
    private final LongAdder stale = new LongAdder();
    private final LongAdder errors = new LongAdder();
    private final Map<Answer, LongAdder> answers = new ConcurrentHashMap<>();
    private final Map<String, LongAdder> messages = new ConcurrentHashMap<>();

    private Readers(Path published, Mode mode) throws Exception {
        this.published = published;
        this.mode = mode;
        // Room for every statement of a checkout.
        pool = new Pool(published, mode.init, mode == Mode.CACHED ? 20 : 0);
        first = current();
    }

    public static void main(String[] arguments) throws Exception {
        Path published = Path.of(arguments[0]).toAbsolutePath();
        for (Mode mode : Mode.values()) {
            new Readers(published, mode).run();
        }
    }

    private void run() throws Exception {
        long deadline = System.nanoTime() + PATIENCE;
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            threads.add(new Thread(() -> {
                while (System.nanoTime() < deadline && !isEnough()) visit();
            }));
        }
        for (Thread thread : threads) thread.start();
        for (Thread thread : threads) thread.join();
        pool.close();
        boolean isEnough = isEnough();
        System.out.printf(
                "mode=%s queries=%d published=%d generations=%d torn=%d mixed=%d stale=%d untrue=%d errors=%d"
                        + " init=%d%n",
                mode.name().toLowerCase(), queries.sum(), current() - first, seen(), torn.sum(), mixed.sum(),
                stale.sum(), untrue(), errors.sum(), pool.initialized.get());
        messages.forEach((message, times) -> System.err.println(mode + ", " + times + " times: " + message));
        if (!isEnough) throw new IllegalStateException(mode + " has not seen enough in time");
    }

    private boolean isEnough() {
        try {
            // A connection that stays with its generation sees no other.
            long generations = mode == Mode.ONCE ? current() - first : seen();
            boolean isEnough = generations >= mode.generations && queries.sum() >= mode.queries;
            return isEnough || errors.sum() >= ERRORS;
        } catch (Exception error) {
            note(error);
            return true;
        }
    }

    /** One checkout, and what is asked with it. */
    private void visit() {
        try {
            long floor = current();
            try (Connection connection = pool.checkout()) {
                switch (mode) {
                    case PLAIN, ONCE -> glance(connection, plain(connection, floor), NEWEST, ROWS);
                    case PREPARED, CACHED -> glance(connection, prepared(connection, floor), NEWEST, ROWS);
                    case TRANSACTION -> transaction(connection, floor);
                    case CROSSED -> crossed(connection, floor);
                }
            }
        } catch (Exception error) {
            note(error);
        }
    }

    private Answer plain(Connection connection, long floor) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet answer = statement.executeQuery(Answer.SQL.replace("?", "0"))) {
            return judge(Answer.of(answer), floor);
        }
    }

    private Answer prepared(Connection connection, long floor) throws SQLException {
        Answer last = null;
        try (PreparedStatement statement = connection.prepareStatement(Answer.SQL)) {
            for (int run = 0; run < 2; run++) {
                statement.setLong(1, 0);
                try (ResultSet answer = statement.executeQuery()) {
                    last = judge(Answer.of(answer), floor);
                }
            }
        }
        return last;
    }

    private void transaction(Connection connection, long floor) throws Exception {
        connection.setAutoCommit(false);
        Answer before = plain(connection, floor);
        // It outlasts its generation.
        long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        while (current() <= number(before.generation())) {
            if (System.nanoTime() > deadline) throw new IllegalStateException("nothing new is published");
            Thread.sleep(20);
        }
        Answer after = plain(connection, floor);
        if (!before.equals(after)) mixed.increment();
        glance(connection, before, NEWEST, ROWS);
        glance(connection, before, CLEANED_NEWEST, CLEANED_ROWS);
        connection.rollback();
    }

    /** Smaller queries, which must say what the answer before them on the same connection says. */
    private void glance(Connection connection, Answer answer, List<String> newest, List<String> rows)
            throws SQLException {
        for (String sql : newest) {
            if (number(connection, sql) != answer.newest()) mixed.increment();
        }
        for (String sql : rows) {
            if (number(connection, sql) != answer.rows()) torn.increment();
        }
    }

    private long number(Connection connection, String sql) throws SQLException {
        queries.increment();
        if (mode == Mode.PREPARED || mode == Mode.CACHED) {
            try (PreparedStatement statement = connection.prepareStatement(sql);
                    ResultSet result = statement.executeQuery()) {
                result.next();
                return result.getLong(1);
            }
        }
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            result.next();
            return result.getLong(1);
        }
    }

    private void crossed(Connection connection, long floor) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("create or replace temp view current_positions as from '"
                    + published.resolve("gen-" + (first - 1)) + "/current_positions.parquet'");
        }
        plain(connection, floor);
    }

    private Answer judge(Answer answer, long floor) {
        queries.increment();
        if (!answer.isWhole()) torn.increment();
        if (!answer.isOne()) mixed.increment();
        if (number(answer.generation()) < floor) stale.increment();
        answers.computeIfAbsent(answer, unseen -> new LongAdder()).increment();
        return answer;
    }

    /** Generations that answers were of. */
    private long seen() {
        return answers.keySet().stream().map(Answer::generation).distinct().count();
    }

    private long untrue() throws SQLException {
        long untrue = 0;
        try (Connection connection = DriverManager.getConnection("jdbc:duckdb:")) {
            Map<String, Answer> truths = new ConcurrentHashMap<>();
            for (Map.Entry<Answer, LongAdder> entry : answers.entrySet()) {
                String generation = entry.getKey().generation();
                if (!truths.containsKey(generation)) {
                    truths.put(generation, Answer.ofFiles(connection, published, generation));
                }
                if (!entry.getKey().equals(truths.get(generation))) untrue += entry.getValue().sum();
            }
        }
        return untrue;
    }

    private void note(Exception error) {
        errors.increment();
        messages.computeIfAbsent(String.valueOf(error), unseen -> new LongAdder()).increment();
    }

    private long current() throws Exception {
        return number(Files.readString(published.resolve("CURRENT")).trim());
    }

    private static long number(String generation) {
        return Long.parseLong(generation.substring("gen-".length()));
    }
}
