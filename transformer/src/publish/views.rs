//! `views.duckdb`, which readers open read-only, and the init SQL they run first.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::comments;
use crate::Error;
use crate::engine::{Engine, read_seed};
use crate::models::{Model, hex};
use crate::schema::{SourceSchema, quote, read_parquet};

/// The newest format that the DuckDB versions of all supported readers open.
const STORAGE_VERSION: &str = "v1.2.0";

const DATABASE: &str = "views.duckdb";
const INIT: &str = "init.sql";
const FINGERPRINT: &str = ".views";

/// Views that are ready to be put in place, if they are not what is there.
pub(super) struct Views {
    fingerprint: String,
    made: Option<PathBuf>,
}

/// The statements a reader runs on every connection before it queries `views.duckdb`. They
/// choose the generation that the connection reads.
pub fn init_sql(published: &Path) -> String {
    let current = quote(&published.join("CURRENT").to_string_lossy());
    init_sql_of(
        published,
        &format!("(select trim(content) from read_text({current}))"),
    )
}

/// The same for the generation that an SQL expression names.
pub(crate) fn init_sql_of(published: &Path, generation: &str) -> String {
    let file = |tail: &str| {
        format!(
            "{} || getvariable('gen') || {}",
            quote(&format!("{}/", published.display())),
            quote(tail)
        )
    };
    let lake_files = read_parquet(&file("/lake_files.parquet"));
    let empty = file("/no_flight_states.parquet");
    format!(
        "set variable gen = {generation};
set variable files = (
    select [{empty}] || coalesce(list(file), []) from {lake_files}
);
set variable since = (select min(since) from {lake_files});
",
    )
}

/// Makes the views for a generation that lies in `example`, unless those in place are the same.
pub(super) fn prepare(
    engine: &Engine,
    schema: &SourceSchema,
    folder: &Path,
    example: &Path,
) -> Result<Views, Error> {
    let sql = definition(engine, schema, folder)?;
    let init = init_sql(folder);
    let described: String = engine.models().iter().map(comments::of).collect();
    let fingerprint = hex(&Sha256::digest(format!(
        "{STORAGE_VERSION}{init}{sql}{described}"
    )));
    let in_place = fs::read_to_string(folder.join(FINGERPRINT)).unwrap_or_default();
    if in_place == fingerprint && folder.join(DATABASE).exists() {
        return Ok(Views {
            fingerprint,
            made: None,
        });
    }
    let workshop = folder.join(".unfinished-views");
    let fresh = || -> std::io::Result<()> {
        if workshop.exists() {
            fs::remove_dir_all(&workshop)?;
        }
        fs::create_dir(&workshop)
    };
    fresh().map_err(Error::file("create the folder", &workshop))?;
    let init_file = workshop.join(INIT);
    fs::write(&init_file, &init).map_err(Error::file("write", &init_file))?;
    let database = workshop.join(DATABASE);
    let example = example.file_name().unwrap_or_default().to_string_lossy();
    let empty = folder.join(&*example).join("no_flight_states.parquet");
    let seeds = engine.models().files().seeds();
    let seeds: Vec<_> = seeds
        .map(|(name, _)| {
            format!(
                "create table {name} as {};",
                read_seed(&engine.seed_file(name))
            )
        })
        .collect();
    let seeds = seeds.join("\n");
    let sql = format!(
        "attach {} as views (storage_version '{STORAGE_VERSION}');
        use views;
        set variable gen = {};
        set variable files = [{}];
        {seeds}
        {sql}",
        quote(&database.to_string_lossy()),
        quote(&example),
        quote(&empty.to_string_lossy()),
    );
    // A database of its own, so that no name of the private one can get into a view.
    let failed = |error: duckdb::Error| Error::duck("cannot make the views")(error);
    let conn = duckdb::Connection::open_in_memory().map_err(failed)?;
    conn.execute_batch(&sql).map_err(failed)?;
    let comments = comments::statements(&conn, engine.models())?;
    let finish = format!("{comments} use memory; detach views;");
    conn.execute_batch(&finish).map_err(failed)?;
    drop(conn);
    super::sync_all(&workshop)?;
    Ok(Views {
        fingerprint,
        made: Some(database),
    })
}

impl Views {
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Puts the views in place. A reader that has the former file open goes on reading it.
    pub(super) fn install(&self, folder: &Path) -> Result<(), Error> {
        let Some(made) = &self.made else {
            return Ok(());
        };
        for name in [INIT, DATABASE] {
            let ready = made.with_file_name(name);
            fs::rename(&ready, folder.join(name)).map_err(Error::file("rename", &ready))?;
        }
        // Both are there for good before it is noted what they are.
        super::sync(folder)?;
        let noted = folder.join(FINGERPRINT);
        fs::write(&noted, &self.fingerprint).map_err(Error::file("write", &noted))?;
        super::sync(&noted)?;
        if let Some(workshop) = made.parent() {
            fs::remove_dir_all(workshop).map_err(Error::file("remove", workshop))?;
        }
        super::sync(folder)
    }
}

/// The statements that make the views, in the schema that is in use.
fn definition(engine: &Engine, schema: &SourceSchema, folder: &Path) -> Result<String, Error> {
    let file = |tail: &str| {
        read_parquet(&format!(
            "{} || coalesce(getvariable('gen'), 'run-init.sql-first') || {}",
            quote(&format!("{}/", folder.display())),
            quote(tail)
        ))
    };
    let mut sql = engine.macros().to_owned();
    sql.push_str("create schema lake;\n");
    sql.push_str(&format!(
        "create view lake.flight_states as select {} from {}
        where snapshot_time >= coalesce(getvariable('since'), timestamptz '-infinity');\n",
        schema.select_list(true),
        schema.read_parquet("getvariable('files')"),
    ));
    sql.push_str(&format!(
        "create view lake.repeated_states as select * from {};\n",
        file("/repeated_states.parquet")
    ));
    for mart in engine.models().marts() {
        let tail = if mart.parts.is_empty() {
            ".parquet"
        } else {
            "/*.parquet"
        };
        let tail = format!("/{}{tail}", mart.name);
        let select = format!("select * from {}", file(&tail));
        sql.push_str(&view(mart, &select));
    }
    for mart in engine.models().native_marts() {
        let tail = format!("/{}.parquet", mart.name);
        let select = format!("select * from {}", file(&tail));
        sql.push_str(&view(mart, &select));
    }
    // They may read other marts, and each other in their order.
    for mart in engine.models().views() {
        sql.push_str(&view(mart, &mart.select));
    }
    Ok(sql)
}

fn view(mart: &Model, select: &str) -> String {
    format!("create view {} as {select};\n", mart.name)
}
