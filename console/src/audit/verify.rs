//! Verification of the audit log's hash chain: no entry was changed, removed or inserted. An attacker who can recompute the whole chain
//! and its head goes undetected, so record the head elsewhere and compare.

use careq_shared::audit::digest;
use careq_shared::entities::{audit_entry, audit_head};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    TransactionTrait as _,
};
use serde::Serialize;

/// Entries read per statement.
const ROWS_PER_READ: u64 = 1_000;

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The number of intact entries.
    pub entries: u64,
    /// The sequence number of the head.
    pub sequence: i64,
    /// The digest of the head, to be recorded elsewhere.
    pub digest: String,
    /// Entries from before the chain, which cannot be verified.
    pub unchained: u64,
    /// The first fault of the chain, as a sentence; `None` if the chain is intact.
    pub broken: Option<String>,
}

/// Reads the whole chain, in one snapshot.
///
/// # Errors
/// The database failed.
pub async fn verify(database: &DatabaseConnection) -> Result<Verification, DbErr> {
    let transaction = database.begin().await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    }
    let verified = walk(&transaction).await?;
    transaction.rollback().await?;
    Ok(verified)
}

async fn walk(transaction: &DatabaseTransaction) -> Result<Verification, DbErr> {
    use audit_entry::Column::Sequence;
    let head = audit_head::Entity::find().one(transaction).await?;
    let head = head.ok_or_else(|| DbErr::RecordNotFound("audit_head has no row".to_owned()))?;
    let unchained = audit_entry::Entity::find().filter(Sequence.is_null()).count(transaction).await?;
    let mut walked = Walked { next: head.first, previous: None, entries: 0 };
    let mut broken = (i64::try_from(unchained).unwrap_or(i64::MAX) > head.unchained).then(|| {
        format!(
            "{unchained} entries have no number, and there were {} when numbers began: some were inserted",
            head.unchained
        )
    });
    loop {
        // The first read has no lower bound: an entry before the first one of the chain was inserted.
        let from = if walked.entries == 0 { i64::MIN } else { walked.next };
        let select = audit_entry::Entity::find().filter(Sequence.gte(from));
        let rows = select.order_by_asc(Sequence).limit(ROWS_PER_READ).all(transaction).await?;
        let is_last = (rows.len() as u64) < ROWS_PER_READ;
        for row in &rows {
            broken = broken.or_else(|| walked.step(row));
        }
        if broken.is_some() || is_last {
            break;
        }
    }
    let Walked { next, previous, entries } = walked;
    let broken = broken.or_else(|| {
        let is_whole = next == head.sequence + 1 && previous.is_none_or(|digest| digest == head.digest);
        (!is_whole)
            .then(|| format!("the entries from {next} to {} are missing: they were removed", head.sequence))
    });
    Ok(Verification { entries, sequence: head.sequence, digest: head.digest, unchained, broken })
}

/// The intact part of the chain.
struct Walked {
    next: i64,
    previous: Option<String>,
    entries: u64,
}

impl Walked {
    /// Appends an entry; or returns its fault, or that of the gap before it.
    fn step(&mut self, row: &audit_entry::Model) -> Option<String> {
        let Some(sequence) = row.sequence else { return Some(format!("entry {} has no number", row.id)) };
        let named = format!("entry {sequence} ({} by {}, {})", row.action, row.actor, row.id);
        if sequence < self.next {
            return Some(format!("{named} was inserted: the chain begins with entry {}", self.next));
        }
        if sequence > self.next {
            return Some(format!(
                "the entries from {} to {} are missing: they were removed",
                self.next,
                sequence - 1
            ));
        }
        if row.digest.as_deref() != Some(digest(row).as_str()) {
            return Some(format!("{named} was changed"));
        }
        if self.previous.is_some() && self.previous != row.previous {
            return Some(format!("{named} does not follow the entry before it: one of them was changed"));
        }
        self.next += 1;
        self.entries += 1;
        self.previous.clone_from(&row.digest);
        None
    }
}
