//! A test write that tells a failure of the database from one of an event: an insert of no row into each table that a batch inserts
//! into, and of one row that is deleted again. A `SELECT 1` would pass on a read-only server, with a full disk, or without a table.

use std::time::{Duration, Instant};

use careq_shared::backoff::Backoff;
use careq_shared::entities::{
    appointment, batch, dead_letter, dead_letter_attempt, doctor, event, parked_event, patient, service,
};
use careq_shared::seal::Sealed;
use careq_shared::{clock, database};
use sea_orm::{ConnectionTrait as _, EntityTrait, IdenStatic as _, Iterable as _, Set};
use tokio::time::timeout;
use uuid::Uuid;

use crate::context::{Context, Stopped};
use crate::fault::Fault;

/// Maximum pause between two test writes to an unavailable database.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Size of the row that is inserted and deleted: several pages, so that a full disk is detected.
const ROW_BYTES: usize = 32_768;

/// Result of a test write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health {
    /// No test write has failed or timed out.
    pub(crate) at_once: bool,
    /// Duration of the last test write; the deadline if it timed out.
    pub(crate) took: Duration,
}

/// Tries until the database answers. A test write that times out is an answer as well: the database is slow.
pub(crate) async fn wait_for_database(context: &Context, deadline: Duration) -> Result<Health, Stopped> {
    let mut backoff = Backoff::default();
    let mut at_once = true;
    loop {
        let began_at = Instant::now();
        let reason = match timeout(deadline, test_write(context)).await {
            // A server that reports contention, or a trigger's error, works.
            Ok(Ok(()) | Err(Fault::Contention | Fault::Event(_))) => {
                return Ok(Health { at_once, took: began_at.elapsed() });
            }
            Err(_) | Ok(Err(Fault::TimedOut)) => return Ok(Health { at_once: false, took: deadline }),
            Ok(Err(Fault::Infrastructure(fault))) => fault.message,
        };
        tracing::warn!(reason, "the database cannot be used; events wait in the queue meanwhile");
        at_once = false;
        context.pause(backoff.next_delay().min(MAX_PAUSE)).await?;
    }
}

/// Runs an insert of no row on each table. Then it inserts a row into `parked_events`, and deletes it in the same transaction.
async fn test_write(context: &Context) -> Result<(), Fault> {
    let transaction = database::begin_write(&context.database).await?;
    transaction.execute_unprepared(&zero_row_inserts()).await?;
    let event_id = format!("look-{}", Uuid::new_v4().simple());
    parked_event::Entity::insert(test_row(event_id.clone())).exec_without_returning(&transaction).await?;
    parked_event::Entity::delete_by_id(event_id).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(())
}

fn zero_row_inserts() -> String {
    [
        zero_row_insert::<patient::Entity>(),
        zero_row_insert::<doctor::Entity>(),
        zero_row_insert::<service::Entity>(),
        zero_row_insert::<appointment::Entity>(),
        zero_row_insert::<event::Entity>(),
        zero_row_insert::<parked_event::Entity>(),
        zero_row_insert::<dead_letter::Entity>(),
        zero_row_insert::<dead_letter_attempt::Entity>(),
        zero_row_insert::<batch::Entity>(),
    ]
    .join("; ")
}

/// An insert of no row: requires the table, its columns, the privilege, and a writable server.
fn zero_row_insert<E: EntityTrait>() -> String {
    let columns: Vec<_> = E::Column::iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    let (table, columns) = (E::default().table_name().to_owned(), columns.join(", "));
    format!("INSERT INTO \"{table}\" ({columns}) SELECT {columns} FROM \"{table}\" WHERE 1 = 0")
}

fn test_row(event_id: String) -> parked_event::ActiveModel {
    // Random, so that PostgreSQL cannot compress the digits.
    let digits: Vec<_> = (0..ROW_BYTES / 32).map(|_| Uuid::new_v4().simple().to_string()).collect();
    parked_event::ActiveModel {
        event_id: Set(event_id),
        clinic_id: Set(String::new()),
        kind: Set(String::new()),
        careq_id: Set(0),
        event: Set(Sealed::stored(digits.concat())),
        due_at: Set(clock::now()),
        attempts: Set(0),
        parked_at: Set(clock::now()),
        ..Default::default()
    }
}
