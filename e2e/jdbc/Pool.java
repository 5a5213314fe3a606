import com.mchange.v2.c3p0.DataSources;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.Map;
import java.util.Properties;
import java.util.WeakHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.Logger;
import javax.sql.DataSource;

/**
 * Connections to the published marts, pooled with the properties that Metabase and its DuckDB driver
 * set, and given init.sql when that driver gives it.
 */
final class Pool implements AutoCloseable {
    /** When a connection gets init.sql. */
    enum Init {
        /**
         * As the driver has it: when the object handed out is not in a WeakHashMap. c3p0 hands out a new
         * proxy each time, so this is at every checkout.
         */
        EACH_CHECKOUT,
        /** Once in the life of the connection to DuckDB: what would go wrong. */
        EACH_CONNECTION
    }

    final AtomicLong initialized = new AtomicLong();
    private final DataSource source;
    private final String initSql;
    private final Init init;
    private final Map<Connection, Boolean> known = Collections.synchronizedMap(new WeakHashMap<>());

    /** @param statements prepared statements that c3p0 keeps for each connection; Metabase keeps none. */
    Pool(Path published, Init init, int statements) throws Exception {
        this.init = init;
        initSql = Files.readString(published.resolve("init.sql"));
        Path views = published.resolve("views.duckdb");
        Properties driver = properties(
                "duckdb.read_only", "true",
                "old_implicit_casting", "true",
                "custom_user_agent", "metabase",
                "temp_directory", views + ".tmp",
                "jdbc_stream_results", "true",
                "TimeZone", "UTC");
        Properties pool = properties(
                "acquireIncrement", "1",
                "acquireRetryAttempts", "1",
                "initialPoolSize", "0",
                "minPoolSize", "0",
                "maxPoolSize", "15",
                "maxIdleTime", "10800",
                "maxIdleTimeExcessConnections", "300",
                "maxStatementsPerConnection", Integer.toString(statements),
                "testConnectionOnCheckout", "true",
                "unreturnedConnectionTimeout", "1200");
        source = DataSources.pooledDataSource(unpooled("jdbc:duckdb:" + views, driver), pool);
    }

    Connection checkout() throws SQLException {
        Connection connection = source.getConnection();
        try {
            boolean done = init == Init.EACH_CHECKOUT ? known.containsKey(connection) : hasGeneration(connection);
            if (!done) {
                try (Statement statement = connection.createStatement()) {
                    statement.execute(initSql);
                }
                known.put(connection, true);
                initialized.incrementAndGet();
            }
            return connection;
        } catch (SQLException error) {
            connection.close();
            throw error;
        }
    }

    @Override
    public void close() throws SQLException {
        DataSources.destroy(source);
    }

    private static boolean hasGeneration(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet answer = statement.executeQuery("select getvariable('gen') is not null")) {
            answer.next();
            return answer.getBoolean(1);
        }
    }

    private static Properties properties(String... pairs) {
        Properties properties = new Properties();
        for (int i = 0; i < pairs.length; i += 2) properties.setProperty(pairs[i], pairs[i + 1]);
        return properties;
    }

    private static DataSource unpooled(String url, Properties properties) throws SQLException {
        Driver driver = DriverManager.getDriver(url);
        return new DataSource() {
            @Override
            public Connection getConnection() throws SQLException {
                return driver.connect(url, properties);
            }

            @Override
            public Connection getConnection(String user, String password) throws SQLException {
                return getConnection();
            }

            @Override
            public PrintWriter getLogWriter() {
                return null;
            }

            @Override
            public void setLogWriter(PrintWriter writer) {}

            @Override
            public int getLoginTimeout() {
                return 0;
            }

            @Override
            public void setLoginTimeout(int seconds) {}

            @Override
            public Logger getParentLogger() {
                return Logger.getGlobal();
            }

            @Override
            public <T> T unwrap(Class<T> type) throws SQLException {
                throw new SQLException("nothing is wrapped");
            }

            @Override
            public boolean isWrapperFor(Class<?> type) {
                return false;
            }
        };
    }
}
