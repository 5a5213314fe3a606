import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;

/** Ask PUBLISHED: one checkout and one query. Prints the time zone, the generation and whether all fits. */
final class Ask {
    public static void main(String[] arguments) throws Exception {
        try (Pool pool = new Pool(Path.of(arguments[0]).toAbsolutePath(), Pool.Init.EACH_CHECKOUT, 0);
                Connection connection = pool.checkout();
                Statement statement = connection.createStatement()) {
            try (ResultSet zone = statement.executeQuery("select current_setting('TimeZone')")) {
                zone.next();
                System.out.println("time_zone=" + zone.getString(1));
            }
            try (ResultSet result = statement.executeQuery(Answer.SQL.replace("?", "0"))) {
                Answer answer = Answer.of(result);
                System.out.println("generation=" + answer.generation());
                System.out.println("fits=" + (answer.isOne() && answer.isWhole()));
            }
        }
    }
}
