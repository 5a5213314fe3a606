//! The database behind the SQL catalog, as `lake.catalog_uri` names it.

use std::fmt;
use std::path::PathBuf;

use iceberg_catalog_sql::SqlBindStyle;
use service::config::Secret;
use url::Url;

use crate::LakeError;

/// Settings of every PostgreSQL session. A process that is suspended in the middle of a commit
/// holds a lock on the table's row: the server ends its session, so that the others go on. A
/// statement waits for the lock no longer than that.
const SESSION: [(&str, &str); 3] = [
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "20s"),
    ("statement_timeout", "30s"),
];

/// Parameters of the URL that are passed on.
const PARAMETERS: [&str; 3] = ["application_name", "options", "sslmode"];

/// A database that can hold the catalog. It shows itself without a password.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Database {
    /// A file, for one machine.
    Sqlite(PathBuf),
    /// A server, for any number of them.
    Postgres {
        /// What the driver is given.
        url: Secret,
        /// The same for people: `user@host:port/database`.
        shown: String,
    },
}

impl Database {
    /// The database that a URI names.
    ///
    /// # Errors
    /// What is wrong with the URI, without showing it: it may hold a password.
    pub(crate) fn parse(uri: &Secret) -> Result<Database, LakeError> {
        let uri = uri.expose();
        if let Some(path) = uri.strip_prefix("sqlite://") {
            return match path {
                "" => Err(wrong("it names no file")),
                path => Ok(Database::Sqlite(PathBuf::from(path))),
            };
        }
        let url = Url::parse(uri).map_err(|error| wrong(format!("it is not a URL: {error}")))?;
        match url.scheme() {
            "postgresql" | "postgres" => postgres(&url),
            other => Err(wrong(format!("it begins with {other}:"))),
        }
    }

    /// The URI for the driver.
    pub(crate) fn driver_uri(&self) -> String {
        match self {
            Database::Sqlite(path) => format!("sqlite://{}?mode=rwc", path.display()),
            Database::Postgres { url, .. } => url.expose().to_owned(),
        }
    }

    /// How it wants the parameters of a statement.
    pub(crate) fn bind_style(&self) -> SqlBindStyle {
        match self {
            Database::Sqlite(_) => SqlBindStyle::QMark,
            Database::Postgres { .. } => SqlBindStyle::DollarNumeric,
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(path) => path.display().fmt(f),
            Database::Postgres { shown, .. } => f.write_str(shown),
        }
    }
}

fn postgres(url: &Url) -> Result<Database, LakeError> {
    // The driver would take what is missing from the environment.
    let host = match url.host_str() {
        None | Some("") => return Err(wrong("it names no host")),
        Some(host) => host,
    };
    let name = url.path().trim_start_matches('/');
    if url.username().is_empty() {
        return Err(wrong("it names no user"));
    }
    if name.is_empty() || name.contains('/') {
        return Err(wrong("it names no database"));
    }
    for (key, value) in url.query_pairs() {
        if !PARAMETERS.contains(&key.as_ref()) {
            return Err(wrong(format!("it has the unknown parameter {key:?}")));
        }
        if key == "sslmode" && !["disable", "allow", "prefer"].contains(&value.as_ref()) {
            return Err(wrong(format!(
                "sslmode={value} asks for TLS, which is not supported"
            )));
        }
    }
    let port = url.port().unwrap_or(5432);
    let shown = format!("{}@{host}:{port}/{name}", url.username());
    let mut driver = url.clone();
    let _ = driver.set_port(Some(port));
    {
        let mut query = driver.query_pairs_mut();
        query.clear();
        for (key, value) in SESSION {
            query.append_pair(&format!("options[{key}]"), value);
        }
        query.append_pair("application_name", "contrail");
        // The later count: what was asked for wins.
        let asked = url.query_pairs().filter(|(key, _)| key != "sslmode");
        query.extend_pairs(asked);
        query.append_pair("sslmode", "disable");
    }
    Ok(Database::Postgres {
        url: Secret::new(driver),
        shown,
    })
}

fn wrong(reason: impl Into<String>) -> LakeError {
    LakeError::CatalogUri(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_shown_without_its_password() {
        for (uri, shown) in [
            ("sqlite:///data/catalog.db", "/data/catalog.db"),
            ("postgresql://u:s3cret@h/d", "u@h:5432/d"),
            ("postgres://u:s3cret@[::1]:6000/d", "u@[::1]:6000/d"),
        ] {
            let database = Database::parse(&uri.into()).unwrap();
            assert_eq!(database.to_string(), shown);
            assert!(!format!("{database:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_session_has_limits_which_the_url_may_change() {
        let uri = "postgresql://u:a%2Fb@h/d?sslmode=prefer&options=-c%20lock_timeout%3D1s";
        let uri = Database::parse(&uri.into()).unwrap().driver_uri();
        assert!(uri.starts_with("postgresql://u:a%2Fb@h:5432/d?"), "{uri}");
        let limit = "options%5Block_timeout%5D=20s";
        let asked = "options=-c+lock_timeout%3D1s";
        assert!(uri.find(limit).unwrap() < uri.find(asked).unwrap(), "{uri}");
        assert!(uri.ends_with("sslmode=disable"), "{uri}");
        assert!(!uri.contains("prefer"), "{uri}");
    }

    #[test]
    fn what_is_wrong_is_said_without_showing_the_uri() {
        for (uri, reason) in [
            ("s3cret", "not a URL"),
            ("mysql://u:s3cret@h/d", "it begins with mysql:"),
            ("sqlite://", "it names no file"),
            ("postgresql:///d", "it names no host"),
            ("postgresql://h/d", "it names no user"),
            ("postgresql://u:s3cret@h", "it names no database"),
            ("postgresql://u:s3cret@h/a/b", "it names no database"),
            ("postgresql://u:s3cret@h:x/d", "not a URL"),
            ("postgresql://u:s3cret@h/d?sslmode=require", "asks for TLS"),
            ("postgresql://u:s3cret@h/d?password=s3cret", "\"password\""),
        ] {
            let error = Database::parse(&uri.into()).unwrap_err().to_string();
            assert!(error.contains(reason), "{uri}: {error}");
            assert!(error.contains("postgresql://user"), "no remedy: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
