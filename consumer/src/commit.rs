//! The commit: rows and positions in one Iceberg transaction, exactly once.
//!
//! # The contract
//! 1. Rows and the offsets they end at travel in the same commit.
//! 2. A batch is committed only onto a table that stands where the batch began.
//! 3. After every attempt, whatever it returned, the table itself says whether the batch is
//!    in: an answer that was lost changes nothing.
//!
//! Iceberg's transaction loads the table, applies its actions and swaps the metadata if
//! nobody was faster; if somebody was, it loads again and rebases without asking. So the
//! check of 2 sits where it loads: [`GuardedCatalog`] passes everything on to the real
//! catalog, and its `load_table` refuses, without a retry, a table that stands elsewhere.
//! Every commit makes a snapshot, even one without rows (all dead letters), because the
//! swap compares snapshots: two commits that both move offsets can never both succeed.
//!
//! A zombie (suspended, its partitions given to another, continued) is fenced by the same
//! rule: of two overlapping batches one is refused, and the loser drops its rows and reads
//! again from where the table stands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use iceberg::spec::{DataFile, Snapshot};
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction, Transaction};
use iceberg::{
    Catalog, Error, ErrorKind, Namespace, NamespaceIdent, Result, TableCommit, TableCreation,
    TableIdent,
};

use crate::position::{Advances, Positions, Stale, Stream};

/// Snapshot property: the batch's id.
pub const BATCH_ID: &str = "contrail.batch-id";
/// Snapshot property: the offset ranges of the batch, `partition:start-end`.
pub const OFFSET_RANGES: &str = "contrail.offsets";

/// What a batch became.
#[derive(Debug)]
pub enum Outcome {
    /// It is in the table, once.
    Committed(Box<Table>),
    /// It is not, and may not be: somebody else has moved the table.
    Stale(Stale),
}

/// One batch on its way into a table.
pub struct Commit<'a> {
    /// The catalog.
    pub catalog: &'a Arc<dyn Catalog>,
    /// What the positions belong to.
    pub stream: &'a Stream,
    /// The batch's id.
    pub batch_id: &'a str,
    /// Its files.
    pub files: Vec<DataFile>,
    /// How it moves the positions.
    pub advances: &'a Advances,
}

impl Commit<'_> {
    /// Makes the attempt and finds out what became of it.
    ///
    /// # Errors
    /// The catalog failed and the batch is not in the table, or the table cannot be asked:
    /// the same commit may be tried again.
    pub async fn run(&self, table: &Table) -> Result<Outcome> {
        let guard = GuardedCatalog {
            inner: Arc::clone(self.catalog),
            stream: self.stream.clone(),
            advances: self.advances.clone(),
            stale: Mutex::new(None),
        };
        service::crash_point!("consumer.commit.before");
        let attempt = self.transaction(table)?.commit(&guard).await;
        service::crash_point!("consumer.commit.after");
        // Whatever the attempt said, the table knows.
        let now = self.catalog.load_table(table.identifier()).await?;
        if self.is_in(&now) {
            return Ok(Outcome::Committed(Box::new(now)));
        }
        let stale = guard
            .stale
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match (stale, attempt) {
            (Some(stale), _) => Ok(Outcome::Stale(stale)),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(Error::new(
                ErrorKind::Unexpected,
                "the catalog reported a commit that is not in the table",
            )),
        }
    }

    fn transaction(&self, table: &Table) -> Result<Transaction> {
        let mut transaction = Transaction::new(table);
        let summary = HashMap::from([
            (BATCH_ID.to_owned(), self.batch_id.to_owned()),
            (OFFSET_RANGES.to_owned(), self.advances.ranges()),
        ]);
        // File names hold the batch's id, which is new: they cannot be in the table yet.
        transaction = transaction
            .fast_append()
            .with_check_duplicate(false)
            .set_snapshot_properties(summary)
            .add_data_files(self.files.iter().cloned())
            .apply(transaction)?;
        let mut positions = transaction.update_table_properties();
        for (partition, advance) in self.advances.iter() {
            positions = positions.set(self.stream.property(partition), advance.next.to_string());
        }
        for key in self.stream.obsolete(table.metadata().properties()) {
            positions = positions.remove(key);
        }
        positions.apply(transaction)
    }

    /// Whether this batch's snapshot is among the table's ancestors.
    ///
    /// Only batches committed since this one's files were written can stand above it, but a
    /// retry may come late, so the whole history is asked.
    fn is_in(&self, table: &Table) -> bool {
        let metadata = table.metadata();
        let ours = |snapshot: &Snapshot| {
            snapshot
                .summary()
                .additional_properties
                .get(BATCH_ID)
                .is_some_and(|id| id == self.batch_id)
        };
        metadata.snapshots().any(|snapshot| ours(snapshot))
    }
}

/// The real catalog, but a table that stands elsewhere than the batch began is not loaded.
#[derive(Debug)]
struct GuardedCatalog {
    inner: Arc<dyn Catalog>,
    stream: Stream,
    advances: Advances,
    stale: Mutex<Option<Stale>>,
}

impl GuardedCatalog {
    fn check(&self, table: &Table) -> Result<()> {
        let stored: Positions = self
            .stream
            .positions(table.metadata().properties())
            .map_err(|error| Error::new(ErrorKind::DataInvalid, error.to_string()))?;
        self.advances.check(&stored).map_err(|stale| {
            let error = Error::new(ErrorKind::PreconditionFailed, stale.to_string());
            *self.stale.lock().unwrap_or_else(PoisonError::into_inner) = Some(stale);
            error
        })
    }
}

#[async_trait::async_trait]
impl Catalog for GuardedCatalog {
    async fn load_table(&self, table: &TableIdent) -> Result<Table> {
        let loaded = self.inner.load_table(table).await?;
        self.check(&loaded)?;
        service::crash_point!("consumer.commit.checked");
        Ok(loaded)
    }

    async fn update_table(&self, commit: TableCommit) -> Result<Table> {
        let updated = self.inner.update_table(commit).await;
        service::crash_point!("consumer.commit.swapped");
        updated
    }

    async fn list_namespaces(
        &self,
        parent: Option<&NamespaceIdent>,
    ) -> Result<Vec<NamespaceIdent>> {
        self.inner.list_namespaces(parent).await
    }

    async fn create_namespace(
        &self,
        namespace: &NamespaceIdent,
        properties: HashMap<String, String>,
    ) -> Result<Namespace> {
        self.inner.create_namespace(namespace, properties).await
    }

    async fn get_namespace(&self, namespace: &NamespaceIdent) -> Result<Namespace> {
        self.inner.get_namespace(namespace).await
    }

    async fn namespace_exists(&self, namespace: &NamespaceIdent) -> Result<bool> {
        self.inner.namespace_exists(namespace).await
    }

    async fn update_namespace(
        &self,
        namespace: &NamespaceIdent,
        properties: HashMap<String, String>,
    ) -> Result<()> {
        self.inner.update_namespace(namespace, properties).await
    }

    async fn drop_namespace(&self, namespace: &NamespaceIdent) -> Result<()> {
        self.inner.drop_namespace(namespace).await
    }

    async fn list_tables(&self, namespace: &NamespaceIdent) -> Result<Vec<TableIdent>> {
        self.inner.list_tables(namespace).await
    }

    async fn create_table(
        &self,
        namespace: &NamespaceIdent,
        creation: TableCreation,
    ) -> Result<Table> {
        self.inner.create_table(namespace, creation).await
    }

    async fn drop_table(&self, table: &TableIdent) -> Result<()> {
        self.inner.drop_table(table).await
    }

    async fn purge_table(&self, table: &TableIdent) -> Result<()> {
        self.inner.purge_table(table).await
    }

    async fn table_exists(&self, table: &TableIdent) -> Result<bool> {
        self.inner.table_exists(table).await
    }

    async fn rename_table(&self, source: &TableIdent, target: &TableIdent) -> Result<()> {
        self.inner.rename_table(source, target).await
    }

    async fn register_table(&self, table: &TableIdent, location: String) -> Result<Table> {
        self.inner.register_table(table, location).await
    }
}
