//! Audits as SQL over the files of a generation.
//!
//! All audits of a mart are one statement that reads its files once. The queries of audits are those
//! that a reader would write: where they ask for more than rows that meet a condition, a mart is a
//! common table expression of its name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::auditor::Arrived;
use super::{Audit, Check};
use crate::engine::LAKE;
use crate::models::{Model, Models, row_condition};
use crate::publish::{MartEntry, init_sql_of};
use crate::schema::{identifier, quote, quote_list, read_parquet, timestamptz};

/// The mart that shows the polls by which volumes are measured.
const POLLS: &str = "kpi_history";

/// Days before without which nothing is usual.
const LEAST_DAYS: u32 = 3;

/// Rows up to which what was written of a mart is kept in memory for its audits.
const KEPT_IN_MEMORY: u64 = 200_000;

/// The statement whose only row says how many aircraft the polls of the last 15 minutes had, in
/// percent of the mean of the same hour on the days before; null when too few are known. It asks the
/// polls that were counted, which the generation shows in a file for each day.
pub(super) fn volume() -> String {
    format!(
        "with newest as (
            select
                max(snapshot_time) as snapshot_time,
                epoch_us(max(snapshot_time)) // 86400000000 as day,
                (epoch_us(max(snapshot_time)) // 3600000000) % 24 as hour,
            from polls
        ),
        known as (
            select
                polls.snapshot_time > newest.snapshot_time - interval 15 minutes as is_recent,
                epoch_us(polls.snapshot_time) // 86400000000 as poll_day,
                poll_day between newest.day - 7 and newest.day - 1
                    and (epoch_us(polls.snapshot_time) // 3600000000) % 24 = newest.hour as is_usual,
                polls.aircraft_total,
            from polls, newest
            where polls.snapshot_time > newest.snapshot_time - interval 9 days
        ),
        recent as (
            select avg(aircraft_total) as aircraft from known where is_recent
        ),
        days as (
            select avg(aircraft_total) as aircraft from known where is_usual group by poll_day
        ),
        usual as (
            select avg(aircraft) as aircraft from days having count(*) >= {LEAST_DAYS}
        )
        select (100 * recent.aircraft / nullif(usual.aircraft, 0))::double
        from recent left join usual on true"
    )
}

/// The files of a generation, wherever they lie just now.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub folder: &'a Path,
    pub marts: &'a BTreeMap<String, MartEntry>,
}

impl Files<'_> {
    /// The statement whose only row has the number of wrong rows for each audit of a mart.
    /// Nothing of freshness and volume is known here: those are null.
    pub(super) fn count(&self, mart: &str, audits: &[&Audit]) -> String {
        if let Some(entry) = self.marts.get(mart)
            && only_rows(mart, audits)
        {
            let files = self.list(entry.written.iter());
            let values = values(mart, audits);
            let mart = identifier(mart);
            let files = read_parquet(&files);
            return format!("select {values} from {files} as {mart}");
        }
        count_in(
            &self.tables(mart, audits.iter().copied(), true),
            mart,
            audits,
        )
    }

    /// Whether the other marts that an audit reads have counted all that its own has. What they
    /// lack is not wrong.
    pub(super) fn is_level(&self, audit: &Audit) -> bool {
        let Some(own) = self.marts.get(&audit.mart) else {
            return true;
        };
        let text = shown(audit);
        let mut others = self.marts.iter().filter(|(name, _)| **name != audit.mart);
        others.all(|(name, other)| other.batch >= own.batch || !names(&text, name))
    }

    /// The statement that counts without doubt what [`count`](Self::count) counts by hashes.
    pub(super) fn count_repeated(&self, mart: &str, columns: &[String]) -> String {
        format!(
            "{} {}",
            self.tables(mart, std::iter::empty(), true),
            repeated(mart, columns),
        )
    }

    /// The query that shows what is wrong in this generation, for whoever cannot see it published.
    pub(super) fn shown_here(&self, audit: &Audit) -> String {
        let query = shown(audit);
        let tables = self.tables(&audit.mart, std::iter::once(audit), false);
        format!("{tables} from ({query}\n)")
    }

    /// The same for a view, as statements for whoever has opened `views.duckdb`.
    pub(super) fn shown_by_readers(&self, audit: &Audit) -> String {
        let published = self.folder.parent().unwrap_or(self.folder);
        let name = self.folder.file_name().unwrap_or_default();
        let generation = quote(&name.to_string_lossy());
        format!("{}{}", init_sql_of(published, &generation), shown(audit))
    }

    /// The statements that show a view what has arrived, where it looks for the lake.
    pub(super) fn show(&self, arrived: &Arrived<'_>) -> String {
        let schema = arrived.schema;
        format!(
            "create or replace view {LAKE}.flight_states as select {} from {} where snapshot_time >= {};
            create or replace view {LAKE}.repeated_states as select * from {};",
            schema.select_list(true),
            schema.read_parquet(&quote_list(arrived.files.iter().map(String::as_str))),
            timestamptz(arrived.since),
            read_parquet(&quote(&self.path("repeated_states.parquet"))),
        )
    }

    /// `with` a view, and what it reads; none when that is not written yet, as the transformer's own
    /// records are not.
    pub(super) fn tables_of_view(
        &self,
        models: &Models,
        view: &Model,
        audits: &[&Audit],
    ) -> Option<String> {
        let (mut marts, mut views) = (BTreeSet::new(), BTreeSet::new());
        let mut wanted = vec![view];
        while let Some(view) = wanted.pop() {
            if !views.insert(&view.name) {
                continue;
            }
            for name in &view.depends {
                match models.views().find(|other| other.name == *name) {
                    Some(other) => wanted.push(other),
                    None => {
                        marts.insert(name);
                    }
                }
            }
        }
        let mut tables = Vec::new();
        for name in marts {
            let files = self.list(self.marts.get(name)?.files.keys());
            tables.push(format!(
                "{} as not materialized (select * from {})",
                identifier(name),
                read_parquet(&files)
            ));
        }
        // In their order: what is read stands before who reads it.
        for read in models.views().filter(|view| views.contains(&view.name)) {
            // Read once, it need not be kept whole.
            let once = read.name == view.name && only_rows(&view.name, audits);
            let how = if once {
                "not materialized"
            } else {
                "materialized"
            };
            let (name, select) = (identifier(&read.name), &read.select);
            tables.push(format!("{name} as {how} ({select})"));
        }
        Some(format!("with {}", tables.join(", ")))
    }

    /// `with` the audited mart as it was `written`, or as a whole, and every mart that is read too.
    fn tables<'a>(
        &self,
        mart: &str,
        audits: impl Iterator<Item = &'a Audit>,
        written: bool,
    ) -> String {
        let texts: Vec<String> = audits.map(shown).collect();
        let mut tables = Vec::new();
        for (name, entry) in self.marts {
            if name == mart {
                let rows = entry.rows_written();
                let how = match written && rows <= KEPT_IN_MEMORY {
                    true => "materialized",
                    false => "not materialized",
                };
                let files = match written {
                    true => self.list(entry.written.iter()),
                    false => self.glob(entry),
                };
                tables.push(format!(
                    "{} as {how} (select * from {})",
                    identifier(name),
                    read_parquet(&files)
                ));
            } else if texts.iter().any(|text| names(text, name)) {
                let files = match written {
                    true => self.list(entry.files.keys()),
                    false => self.glob(entry),
                };
                tables.push(format!(
                    "{} as not materialized (select * from {})",
                    identifier(name),
                    read_parquet(&files)
                ));
            }
        }
        format!("with {}", tables.join(", "))
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).to_string_lossy().into_owned()
    }

    fn list<'a>(&self, files: impl Iterator<Item = &'a String>) -> String {
        let paths: Vec<String> = files.map(|file| self.path(file)).collect();
        quote_list(paths.iter().map(String::as_str))
    }

    /// All files of a mart in few words.
    fn glob(&self, entry: &MartEntry) -> String {
        let folder = entry
            .files
            .keys()
            .next()
            .and_then(|file| file.split_once('/'));
        match folder {
            Some((folder, _)) => quote(&self.path(&format!("{folder}/*.parquet"))),
            None => self.list(entry.files.keys()),
        }
    }
}

/// The statement whose only row has the number of wrong rows for each audit, where `tables` says
/// what the marts are.
pub(super) fn count_in(tables: &str, mart: &str, audits: &[&Audit]) -> String {
    let values = values(mart, audits);
    format!("{tables} select {values} from {}", identifier(mart))
}

/// What is counted for each audit, beside the others.
fn values(mart: &str, audits: &[&Audit]) -> String {
    let values = audits
        .iter()
        .map(|audit| format!("({})::double", value(mart, &audit.check)));
    values.collect::<Vec<_>>().join(", ")
}

/// Whether audits are of each row of the mart by itself, or count its rows: then one pass over it is
/// enough, and it needs no name. A plan of a subquery for each audit takes longer than the pass.
fn only_rows(mart: &str, audits: &[&Audit]) -> bool {
    audits.iter().all(|audit| match &audit.check {
        Check::Sql(query) => row_condition(query, mart).is_some(),
        Check::Reference { .. } => false,
        Check::NotNull(_)
        | Check::Unique(_)
        | Check::OneRow
        | Check::Range { .. }
        | Check::Freshness(_)
        | Check::Volume(_) => true,
    })
}

/// The query that shows what an audit found, over the published marts.
pub(super) fn shown(audit: &Audit) -> String {
    let mart = identifier(&audit.mart);
    match &audit.check {
        Check::NotNull(columns) => format!("select * from {mart} where {}", any_null(columns)),
        Check::Unique(columns) => {
            let columns = list(columns);
            format!(
                "select {columns}, count(*) as times from {mart} group by {columns} having count(*) > 1"
            )
        }
        Check::OneRow => format!("select * from {mart}"),
        Check::Range { column, low, high } => {
            let column = identifier(column);
            format!("select * from {mart} where {column} not between {low} and {high}")
        }
        Check::Freshness(_) => format!(
            "select mart, as_of, refreshed_at from mart_status where mart = {}",
            quote(&audit.mart)
        ),
        Check::Volume(_) => format!(
            "select snapshot_time, aircraft_total from {POLLS} order by snapshot_time desc limit 100"
        ),
        Check::Reference {
            column,
            mart: other,
            of,
        } => {
            let (column, other, of) = (identifier(column), identifier(other), identifier(of));
            format!(
                "select * from {mart} where {column} not in (select {of} from {other} where {of} is not null)"
            )
        }
        Check::Sql(query) => query.clone(),
    }
}

/// The number of wrong rows as an expression beside aggregates over the mart.
fn value(mart: &str, check: &Check) -> String {
    match check {
        Check::NotNull(columns) => format!("count(*) filter (where {})", any_null(columns)),
        // Two values of one hash are as good as impossible, and looked into if they come.
        Check::Unique(columns) => format!("count(*) - count(distinct hash({}))", list(columns)),
        Check::OneRow => "greatest(count(*) - 1, 0)".to_owned(),
        Check::Range { column, low, high } => {
            let column = identifier(column);
            format!("count(*) filter (where {column} not between {low} and {high})")
        }
        Check::Reference {
            column,
            mart: other,
            of,
        } => {
            let (column, other, of) = (identifier(column), identifier(other), identifier(of));
            format!(
                "select count(*) from {} where {column} not in
                    (select {of} from {other} where {of} is not null)",
                identifier(mart),
            )
        }
        Check::Sql(query) => match row_condition(query, mart) {
            // Unlike a filter, `case` looks at what follows `and` only where it must.
            Some(condition) => format!("count(case when {condition} then 1 end)"),
            None => format!("select count(*) from ({query}\n)"),
        },
        Check::Freshness(_) | Check::Volume(_) => "null".to_owned(),
    }
}

/// The query that counts without doubt the rows whose values of the columns came before.
pub(super) fn repeated(mart: &str, columns: &[String]) -> String {
    format!(
        "select coalesce(sum(times - 1), 0)::double
        from (select count(*) as times from {} group by {} having count(*) > 1)",
        identifier(mart),
        list(columns)
    )
}

fn any_null(columns: &[String]) -> String {
    let nulls = columns
        .iter()
        .map(|column| format!("{} is null", identifier(column)));
    nulls.collect::<Vec<_>>().join(" or ")
}

fn list(columns: &[String]) -> String {
    let columns = columns.iter().map(|column| identifier(column));
    columns.collect::<Vec<_>>().join(", ")
}

/// Whether a text has a name as a word. More than what it reads may be found, which is harmless.
fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_part(c)).any(|word| word == name)
}
