//! The transaction that copies a generation.
//!
//! Its order does not matter to readers, who see all of it or nothing. It matters to whoever
//! else works in the schema: tables are taken up one after the other by name, and a lock that
//! another session holds is not waited for longer than [`LOCK_TIMEOUT`].

use std::path::Path;

use bytes::Bytes;
use futures::SinkExt;
use tokio::sync::mpsc;
use tokio_postgres::Transaction;

use super::connect::{Inventory, PARTS, Server};
use super::contents::{self, BATCH_ROWS, Contents, Mart, Part};
use super::encode::{self, HEADER, TRAILER};
use super::error::PostgresError;
use super::layout::{PART, identifier, literal};
use crate::publish::Generation;

const LOCK_TIMEOUT: &str = "10s";
/// Which generation is there.
const GENERATION: &str = "_contrail_generation";
/// Encoded batches that wait to be sent.
const WAITING: usize = 2;

/// What a copy has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Copied {
    /// Parts that were copied.
    pub parts: u64,
    /// Parts that were there already.
    pub unchanged: u64,
    /// Rows that were copied.
    pub rows: u64,
}

/// Makes the schema hold the generation, in one transaction.
pub(super) async fn copy(
    server: &Server,
    generation: &Generation,
    contents: &Contents,
) -> Result<Copied, PostgresError> {
    let mut client = server.connect().await?;
    let transaction = client.transaction().await;
    let transaction = transaction.map_err(server.failed("begin a transaction"))?;
    let copy = Copy {
        server,
        transaction,
        generation,
    };
    copy.lock().await?;
    let inventory = Inventory::read(server, &copy.transaction).await?;
    copy.own_tables(&inventory).await?;
    let mut copied = Copied::default();
    for mart in contents.values() {
        copy.mart(mart, &inventory, &mut copied).await?;
    }
    for gone in inventory.remembered.keys() {
        if !contents.contains_key(gone) {
            copy.drop_mart(gone).await?;
        }
    }
    copy.note_generation().await?;
    service::crash_point!("transformer.postgres.commit.before");
    let committed = copy.transaction.commit().await;
    committed.map_err(server.failed("commit the copied marts"))?;
    Ok(copied)
}

/// Sees that the server lets us in, before there is anything to copy.
pub(super) async fn check(server: &Server) -> Result<(), PostgresError> {
    server.connect().await.map(drop)
}

struct Copy<'a> {
    server: &'a Server,
    transaction: Transaction<'a>,
    generation: &'a Generation,
}

impl Copy<'_> {
    async fn run(&self, action: &str, sql: &str) -> Result<(), PostgresError> {
        let done = self.transaction.batch_execute(sql).await;
        done.map_err(self.server.failed(action))
    }

    /// Keeps others of us out until the transaction ends.
    async fn lock(&self) -> Result<(), PostgresError> {
        let setting = format!("set local lock_timeout = '{LOCK_TIMEOUT}'");
        self.run("set the lock timeout", &setting).await?;
        let name = format!("contrail {}", self.server.schema);
        let sql = "select pg_try_advisory_xact_lock(hashtextextended($1::text, 0))";
        let row = self.transaction.query_one(sql, &[&name]).await;
        let locked = row.and_then(|row| row.try_get::<_, bool>(0));
        match locked.map_err(self.server.failed("lock the schema"))? {
            true => Ok(()),
            false => Err(PostgresError::Busy {
                server: self.server.name.clone(),
                schema: self.server.schema.clone(),
            }),
        }
    }

    fn own(&self, table: &str) -> String {
        format!("{}.{table}", identifier(&self.server.schema))
    }

    async fn own_tables(&self, inventory: &Inventory) -> Result<(), PostgresError> {
        let mut sql = String::new();
        if !inventory.has_schema {
            sql = format!("create schema {};", identifier(&self.server.schema));
        }
        if !inventory.relations.contains_key(PARTS) {
            let parts = self.own(PARTS);
            sql.push_str(&format!(
                "create table {parts} (
                    mart text, part text,
                    generation bigint not null, fingerprint text not null,
                    primary key (mart, part)
                );
                comment on table {parts} is 'Which parts of the marts are here; kept by Contrail.';"
            ));
        }
        if !inventory.relations.contains_key(GENERATION) {
            let generation = self.own(GENERATION);
            sql.push_str(&format!(
                "create table {generation} (
                    generation bigint not null, as_of timestamptz,
                    published_at timestamptz not null, copied_at timestamptz not null
                );
                comment on table {generation} is 'Which generation is here; kept by Contrail.';"
            ));
        }
        match sql.is_empty() {
            true => Ok(()),
            false => {
                self.run("make the tables that say what is here", &sql)
                    .await
            }
        }
    }

    async fn mart(
        &self,
        mart: &Mart,
        inventory: &Inventory,
        copied: &mut Copied,
    ) -> Result<(), PostgresError> {
        let schema = &self.server.schema;
        let name = &mart.layout.name;
        let present = inventory.relations.get(name);
        let nothing = std::collections::BTreeMap::new();
        let remembered = inventory.remembered.get(name);
        if present.is_some() && remembered.is_none() {
            return Err(PostgresError::NotOurs {
                server: self.server.name.clone(),
                schema: schema.clone(),
                table: name.clone(),
            });
        }
        let change = mart.layout.change(schema, present);
        for statement in &change.statements {
            self.run(&format!("make the table of {name}"), statement)
                .await?;
        }
        if change.anew {
            self.forget(name, None).await?;
        }
        let remembered = remembered.filter(|_| !change.anew).unwrap_or(&nothing);
        let difference = contents::difference(&mart.parts, remembered);
        for part in &difference.delete {
            self.delete(mart, part).await?;
            self.forget(name, Some(part)).await?;
        }
        for name in &difference.copy {
            if let Some(part) = mart.parts.get(*name) {
                copied.rows += self.part(mart, name, part).await?;
                copied.parts += 1;
                service::crash_point!("transformer.postgres.copy.middle");
            }
        }
        copied.unchanged += (mart.parts.len() - difference.copy.len()) as u64;
        Ok(())
    }

    /// Deletes the rows of a part; all rows of a mart that is not in parts.
    async fn delete(&self, mart: &Mart, part: &str) -> Result<(), PostgresError> {
        let mut sql = format!("delete from {}", mart.layout.table(&self.server.schema));
        if mart.is_in_parts() {
            sql.push_str(&format!(" where {} = {}", identifier(PART), literal(part)));
        }
        self.run(&format!("delete from {}", mart.layout.name), &sql)
            .await
    }

    async fn forget(&self, mart: &str, part: Option<&str>) -> Result<(), PostgresError> {
        let mut sql = format!(
            "delete from {} where mart = {}",
            self.own(PARTS),
            literal(mart)
        );
        if let Some(part) = part {
            sql.push_str(&format!(" and part = {}", literal(part)));
        }
        self.run("forget a part", &sql).await
    }

    /// Copies a part and remembers it; its rows.
    async fn part(&self, mart: &Mart, name: &str, part: &Part) -> Result<u64, PostgresError> {
        let action = format!("copy {}", mart.layout.name);
        let copy = format!(
            "copy {} ({}) from stdin (format binary)",
            mart.layout.table(&self.server.schema),
            mart.layout.column_list()
        );
        let sink = self.transaction.copy_in::<_, Bytes>(&copy).await;
        let sink = sink.map_err(self.server.failed(&action))?;
        let mut sink = std::pin::pin!(sink);
        let (sender, mut encoded) = mpsc::channel(WAITING);
        let (path, types) = (part.path.clone(), mart.types.clone());
        let part_name = mart.is_in_parts().then(|| name.to_owned());
        let reading =
            tokio::task::spawn_blocking(move || read(&path, &types, part_name.as_deref(), &sender));
        while let Some(bytes) = encoded.recv().await {
            let sent = sink.send(bytes).await;
            sent.map_err(self.server.failed(&action))?;
        }
        // What could not be read is not half copied: the sink is dropped unfinished.
        let read = reading.await.map_err(PostgresError::file(&part.path))?;
        read?;
        let rows = sink.finish().await;
        let rows = rows.map_err(self.server.failed(&action))?;
        if rows != part.rows {
            let reason = format!("it has {rows} rows, not {}", part.rows);
            return Err(PostgresError::file(&part.path)(reason));
        }
        let sql = format!(
            "insert into {} values ({}, {}, {}, {})",
            self.own(PARTS),
            literal(&mart.layout.name),
            literal(name),
            self.generation.generation,
            literal(&part.fingerprint),
        );
        self.run("remember a part", &sql).await?;
        Ok(rows)
    }

    /// A mart that there is no more.
    async fn drop_mart(&self, name: &str) -> Result<(), PostgresError> {
        let sql = format!("drop table if exists {}", self.own(&identifier(name)));
        self.run(&format!("drop the table of {name}"), &sql).await?;
        self.forget(name, None).await
    }

    async fn note_generation(&self) -> Result<(), PostgresError> {
        let table = self.own(GENERATION);
        let as_of = self.generation.as_of;
        let as_of = as_of.and_then(chrono::DateTime::from_timestamp_micros);
        let as_of = as_of.map_or("null".to_owned(), |time| literal(&time.to_rfc3339()));
        let sql = format!(
            "delete from {table};
            insert into {table} values ({}, {as_of}, {}, clock_timestamp());",
            self.generation.generation,
            literal(&self.generation.created_at.to_rfc3339()),
        );
        self.run("note the generation", &sql).await
    }
}

impl Mart {
    fn is_in_parts(&self) -> bool {
        self.layout.columns.iter().any(|column| column.name == PART)
    }
}

/// Reads a file batch by batch and hands on what `copy` takes. Ends early, and well, when
/// nobody takes it any more.
fn read(
    path: &Path,
    types: &[encode::Type],
    part: Option<&str>,
    sender: &mpsc::Sender<Bytes>,
) -> Result<(), PostgresError> {
    let reader = contents::open(path)?.with_batch_size(BATCH_ROWS).build();
    let reader = reader.map_err(PostgresError::file(path))?;
    let mut bytes = HEADER.to_vec();
    for batch in reader {
        let batch = batch.map_err(PostgresError::file(path))?;
        encode::rows(&batch, types, part, &mut bytes).map_err(PostgresError::file(path))?;
        if sender
            .blocking_send(std::mem::take(&mut bytes).into())
            .is_err()
        {
            return Ok(());
        }
    }
    bytes.extend_from_slice(TRAILER);
    // If the other side has gone, it has an error of its own to tell.
    let _ = sender.blocking_send(bytes.into());
    Ok(())
}
