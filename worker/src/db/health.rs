//! Health check of the database: writes to every table a batch writes to, and commits. A lesser check would pass on a read-only
//! server, with a full disk, or without a table.

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

/// Maximum pause between two checks of an unavailable database.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Size of the row that is written and deleted: several pages, so that a full disk is detected.
const DIGITS: usize = 32_768;

/// Result of a check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health {
    /// The first check succeeded.
    pub(crate) at_once: bool,
    /// Duration of the successful check.
    pub(crate) took: Duration,
}

/// Waits until a check succeeds.
pub(crate) async fn of_database(context: &Context, deadline: Duration) -> Result<Health, Stopped> {
    let mut backoff = Backoff::default();
    let mut at_once = true;
    loop {
        let began_at = Instant::now();
        let reason = match timeout(deadline, write(context)).await {
            Ok(Ok(()) | Err(Fault::Contention | Fault::Event(_))) => {
                return Ok(Health { at_once, took: began_at.elapsed() });
            }
            Err(_) | Ok(Err(Fault::TimedOut)) => return Ok(Health { at_once: false, took: deadline }),
            Ok(Err(Fault::Infrastructure(fault))) => fault.message,
        };
        tracing::warn!(reason, "the database cannot be used; events wait in the queue meanwhile");
        at_once = false;
        context.pause(backoff.next_delay().min(MAX_WAIT)).await?;
    }
}

/// Inserts no row into every table, and one row into `parked_events` that is deleted in the same transaction.
async fn write(context: &Context) -> Result<(), Fault> {
    let transaction = database::begin_write(&context.database).await?;
    transaction.execute_unprepared(&to_every_table()).await?;
    let event_id = format!("look-{}", Uuid::new_v4().simple());
    parked_event::Entity::insert(row(event_id.clone())).exec_without_returning(&transaction).await?;
    parked_event::Entity::delete_by_id(event_id).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(())
}

fn to_every_table() -> String {
    [
        to::<patient::Entity>(),
        to::<doctor::Entity>(),
        to::<service::Entity>(),
        to::<appointment::Entity>(),
        to::<event::Entity>(),
        to::<parked_event::Entity>(),
        to::<dead_letter::Entity>(),
        to::<dead_letter_attempt::Entity>(),
        to::<batch::Entity>(),
    ]
    .join("; ")
}

/// An insert of no row: requires the table, its columns, the privilege, and a writable server.
fn to<E: EntityTrait>() -> String {
    let columns: Vec<_> = E::Column::iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    let (table, columns) = (E::default().table_name().to_owned(), columns.join(", "));
    format!("INSERT INTO \"{table}\" ({columns}) SELECT {columns} FROM \"{table}\" WHERE 1 = 0")
}

fn row(event_id: String) -> parked_event::ActiveModel {
    // Random, so that PostgreSQL cannot compress them.
    let digits: Vec<_> = (0..DIGITS / 32).map(|_| Uuid::new_v4().simple().to_string()).collect();
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
