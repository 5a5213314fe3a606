import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * What one query says about seven marts that are written together.
 *
 * @param generation what the connection was told to read
 * @param times when each mart says that the newest poll was, in microseconds since 1970
 * @param isOne whether these are the same time: no two generations in one answer
 * @param counts pairs of counts that are equal within a generation
 * @param isWhole whether they are: nothing is missing
 * @param newest the newest poll, as kpi_latest has it
 * @param rows cleaned rows of all polls, as hourly_activity has them
 */
record Answer(
        String generation, String times, boolean isOne, String counts, boolean isWhole, long newest, long rows) {
    private static final String[] MARTS = {
        "country_stats", "current_positions", "hourly_activity", "kpi_latest", "mart_status", "region_kpis"
    };

    /** Its one parameter is the fewest aircraft of a poll that is counted. */
    static final String SQL = """
            with latest as (
                select epoch_us(snapshot_time) as newest, aircraft_total, aircraft_with_position from kpi_latest
            ),
            positions as (
                select
                    count(*) as aircraft,
                    epoch_us(min(snapshot_time)) as oldest,
                    epoch_us(max(snapshot_time)) as newest,
                from current_positions
            ),
            regions as (
                select
                    sum(aircraft_total)::bigint as aircraft,
                    epoch_us(min(snapshot_time)) as oldest,
                    epoch_us(max(snapshot_time)) as newest,
                from region_kpis
            ),
            polls as (
                select
                    sum(aircraft_with_position)::bigint as with_position,
                    epoch_us(max(snapshot_time)) as newest,
                from kpi_history
                where aircraft_total >= ?
            ),
            countries as (
                select sum(total_observations)::bigint as rows, epoch_us(max(last_seen)) as newest
                from country_stats
            ),
            hours as (
                select sum(total_flights)::bigint as rows from hourly_activity
            ),
            status as (
                select epoch_us(min(as_of)) as oldest, epoch_us(max(as_of)) as newest
                from mart_status
                where mart in (
                    'country_stats', 'current_positions', 'hourly_activity', 'kpi_history', 'kpi_latest',
                    'region_kpis'
                )
            ),
            together as (
                select
                    [
                        latest.newest, positions.oldest, positions.newest, regions.oldest, regions.newest,
                        polls.newest, countries.newest, status.oldest, status.newest,
                    ] as times,
                    [
                        [latest.aircraft_with_position, positions.aircraft],
                        [latest.aircraft_total, regions.aircraft],
                        [polls.with_position, countries.rows],
                        [polls.with_position, hours.rows],
                    ] as counts,
                from latest, positions, regions, polls, countries, hours, status
            )
            select
                getvariable('gen'),
                times::varchar,
                list_unique(times) = 1 and list_count(times) = len(times),
                counts::varchar,
                list_bool_and(list_transform(counts, lambda pair: pair[1] is not distinct from pair[2])),
                times[1],
                counts[4][2],
            from together
            """;

    static Answer of(ResultSet answer) throws SQLException {
        if (!answer.next()) return new Answer("none", "no row", false, "no row", false, 0, 0);
        return new Answer(
                answer.getString(1), answer.getString(2), answer.getBoolean(3), answer.getString(4),
                answer.getBoolean(5), answer.getLong(6), answer.getLong(7));
    }

    /** The answer that the files of a generation give, read by their names: no variable, and no view of ours. */
    static Answer ofFiles(Connection connection, Path published, String generation) throws SQLException {
        Path folder = published.resolve(generation);
        try (Statement statement = connection.createStatement()) {
            statement.execute("set variable gen = '" + generation + "'");
            for (String mart : MARTS) {
                String file = folder + "/" + mart + ".parquet";
                statement.execute("create or replace temp view " + mart + " as from '" + file + "'");
            }
            statement.execute("create or replace temp view kpi_history as from '" + folder + "/kpi_history/*.parquet'");
            try (ResultSet answer = statement.executeQuery(SQL.replace("?", "0"))) {
                return of(answer);
            }
        }
    }
}
