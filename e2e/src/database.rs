//! Asking a PostgreSQL, every value as text.

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Rows of texts; a null is `None`.
pub type Rows = Vec<Vec<Option<String>>>;

/// A connection.
pub struct Database {
    client: Client,
    runtime: Runtime,
}

impl Database {
    /// Connects.
    pub fn connect(url: &str) -> Database {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls)
                .await
                .expect("PostgreSQL is there");
            tokio::spawn(connection);
            client
        });
        Database { client, runtime }
    }

    /// The rows of the last statement, or what the server said.
    pub fn try_rows(&self, sql: &str) -> Result<Rows, String> {
        let answer = self.runtime.block_on(self.client.simple_query(sql));
        let messages = answer.map_err(|error| match error.as_db_error() {
            Some(said) => said.message().to_owned(),
            None => error.to_string(),
        })?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let texts = |row: tokio_postgres::SimpleQueryRow| {
            (0..row.len())
                .map(|index| row.get(index).map(str::to_owned))
                .collect()
        };
        Ok(rows.map(texts).collect())
    }

    /// The rows of the last statement.
    pub fn rows(&self, sql: &str) -> Rows {
        self.try_rows(sql)
            .unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    /// The first column.
    pub fn column(&self, sql: &str) -> Vec<String> {
        let rows = self.rows(sql).into_iter();
        rows.filter_map(|row| row.into_iter().next().flatten())
            .collect()
    }

    /// The only value; panics when there is none.
    pub fn value(&self, sql: &str) -> String {
        let values = self.column(sql);
        assert_eq!(values.len(), 1, "{sql}");
        values.into_iter().next().expect("a value")
    }
}
