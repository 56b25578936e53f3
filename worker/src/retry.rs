//! Another attempt after a failure: 1 s, 5 s, 30 s, 2 min and 10 min later, then a dead letter. The attempts must be
//! counted in the database, not in a process that the event may bring down.

use std::collections::HashSet;
use std::time::Duration;

use careq_shared::entities::parked_event;
use careq_shared::event::Event;
use careq_shared::outcome::{EventResult, Outcome};
use careq_shared::{clock, database};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QuerySelect as _, Set,
};
use serde::{Deserialize, Serialize};

use crate::attempt::attempt;
use crate::fault::{EventFault, Fault, FaultClass};
use crate::lane::{Lane, Stopped};
use crate::order::Treatment;
use crate::working_set::WorkingSet;
use crate::{dead_letters, park};

/// The wait after each failed attempt, in seconds.
const DELAYS_S: [u64; 5] = [1, 5, 30, 120, 600];

/// The attempt that is followed by the last delay.
const LAST_ATTEMPT: i32 = 5;

/// Keeps an event for a try of its own.
pub(crate) fn set_apart(set: &mut WorkingSet, event: &Event) -> EventResult {
    match park::row(set, event) {
        // Counted as an attempt: only what was never tried shares a transaction with others.
        Ok(row) => later(set, parked_event::Model { due_at: set.now, attempts: row.attempts.max(1), ..row }),
        Err(_) => dead_letters::unwritable(set, event),
    }
}

/// Keeps an event that failed alone for another attempt, or buries it.
pub(crate) fn after(set: &mut WorkingSet, event: &Event, fault: &EventFault) -> EventResult {
    let Ok(mut row) = park::row(set, event) else { return dead_letters::unwritable(set, event) };
    // A parked row's attempt was counted before it began.
    row.attempts = row.attempts.max(1);
    if fault.class == FaultClass::Unusable {
        // The server's own trouble never uses up the last attempt.
        row.attempts = row.attempts.min(LAST_ATTEMPT);
    }
    let delay = usize::try_from(row.attempts - 1).ok().and_then(|failed| DELAYS_S.get(failed));
    match delay {
        Some(delay_s) if is_worth_another_attempt(fault.class) => {
            row.due_at = set.now + jittered(*delay_s);
            row.tries = Some(with_one_more(tries(&row), Try::failed_now(set, fault)));
            row.last_message = Some(fault.message.clone());
            later(set, row)
        }
        _ => dead_letters::failed(set, event, fault, row.attempts),
    }
}

const fn is_worth_another_attempt(class: FaultClass) -> bool {
    match class {
        FaultClass::Transient | FaultClass::Busy | FaultClass::Unusable => true,
        FaultClass::Permanent | FaultClass::Collision | FaultClass::NoResult => false,
    }
}

fn later(set: &mut WorkingSet, row: parked_event::Model) -> EventResult {
    park::put(set, parked_event::Model { waiting_kind: None, waiting_careq_id: None, ..row });
    EventResult { outcome: Outcome::Retrying, appointment_status: None, replayed: false }
}

/// Keeps an event whose row in the ledger cannot be touched, as another session holds it, for another attempt: the lane must go on, and
/// nothing is wrong with the event. One that is parked already has its next attempt, as of its latest delivery.
pub(crate) async fn past_its_row(lane: &Lane, event: &Event) -> Result<EventResult, Stopped> {
    tracing::warn!(
        event_id = %event.event_id,
        "another session holds the row of an event in the ledger; it is tried again later"
    );
    match attempt(lane, || keep_latest(lane, event)).await? {
        Ok(()) => Ok(EventResult { outcome: Outcome::Retrying, appointment_status: None, replayed: false }),
        Err(fault) => dead_letters::keep_unnoted(lane, event, &fault).await,
    }
}

async fn keep_latest(lane: &Lane, event: &Event) -> Result<(), Fault> {
    use parked_event::Column::EventId;
    let now = clock::whole_microseconds(clock::now());
    let row = park::new_row(&lane.seal, event, now).map_err(|_| Fault::Event(EventFault::unwritable()))?;
    let row = parked_event::Model { due_at: now + jittered(DELAYS_S[2]), attempts: 1, ..row };
    let transaction = database::begin_write(&lane.database).await?;
    // Changes nothing in a row that is there, and locks it.
    let unless_parked = OnConflict::column(EventId).update_column(EventId).to_owned();
    let insert = parked_event::Entity::insert(row.clone().into_active_model()).on_conflict(unless_parked);
    let parked = insert.exec_with_returning(&transaction).await?;
    if park::accepted_at(&lane.seal, &parked).is_some_and(|accepted_at| accepted_at < event.accepted_at) {
        let latest = parked_event::ActiveModel { event: Set(row.event), ..Default::default() };
        parked_event::Entity::update_many()
            .set(latest)
            .filter(EventId.eq(row.event_id))
            .exec(&transaction)
            .await?;
    }
    Ok(transaction.commit().await?)
}

/// Takes due rows for their next attempt, which is counted before it begins. The ids of those that no other worker has;
/// all of `rows` have had as many attempts as the first.
pub(crate) async fn claim(
    database: &DatabaseConnection,
    rows: &[parked_event::Model],
) -> Result<HashSet<String>, DbErr> {
    let Some(attempts) = rows.first().map(|row| row.attempts) else { return Ok(HashSet::new()) };
    let delay_s =
        usize::try_from(attempts).ok().and_then(|failed| DELAYS_S.get(failed)).copied().unwrap_or(600);
    // If this process dies now, they are due again after the next delay, one attempt the poorer.
    let lease_ends = clock::whole_microseconds(clock::now() + jittered(delay_s) + Duration::from_mins(1));
    let claimed = parked_event::Entity::update_many()
        .col_expr(parked_event::Column::Attempts, Expr::value(attempts + 1))
        .col_expr(parked_event::Column::DueAt, Expr::value(lease_ends))
        .filter(parked_event::Column::EventId.is_in(rows.iter().map(|row| row.event_id.as_str())))
        .filter(parked_event::Column::Attempts.eq(attempts))
        .filter(parked_event::Column::WaitingKind.is_null())
        .exec(database)
        .await?;
    if claimed.rows_affected == rows.len() as u64 {
        return Ok(rows.iter().map(|row| row.event_id.clone()).collect());
    }
    let ours: Vec<String> = parked_event::Entity::find()
        .select_only()
        .column(parked_event::Column::EventId)
        .filter(parked_event::Column::EventId.is_in(rows.iter().map(|row| row.event_id.as_str())))
        // With its random part, to the microsecond: nobody else's lease ends then.
        .filter(parked_event::Column::DueAt.eq(lease_ends))
        .into_tuple()
        .all(database)
        .await?;
    Ok(ours.into_iter().collect())
}

/// Takes back the attempt of a row that was claimed and never tried: not the event is to blame.
pub(crate) async fn give_back(lane: &Lane, row: &parked_event::Model) -> Result<(), Stopped> {
    let given_back = attempt(lane, || async {
        let claimed = parked_event::Entity::update_many()
            .col_expr(parked_event::Column::Attempts, Expr::value(row.attempts))
            .filter(parked_event::Column::EventId.eq(row.event_id.as_str()))
            .filter(parked_event::Column::Attempts.eq(row.attempts + 1));
        claimed.exec(&lane.database).await.map_err(|error: DbErr| Fault::from(error))
    });
    if let Err(fault) = given_back.await? {
        tracing::error!(fault.message, "an attempt that was not made is counted all the same");
    }
    Ok(())
}

/// How a row is treated: one whose every attempt ended without a result is not tried again.
pub(crate) fn treatment(row: &parked_event::Model) -> Treatment {
    let failed = usize::try_from(row.attempts).unwrap_or(usize::MAX);
    if failed > DELAYS_S.len() { Treatment::Failed(no_result()) } else { Treatment::Ordinary }
}

fn no_result() -> EventFault {
    let message = "Every attempt ended without a result; the event may bring workers down".to_owned();
    EventFault { class: FaultClass::NoResult, message }
}

/// A try that failed, as a parked row remembers it. One that brought its worker down is counted, and not remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Try {
    pub(crate) at: DateTime<Utc>,
    pub(crate) worker: String,
    pub(crate) version: String,
    pub(crate) message: String,
}

impl Try {
    fn failed_now(set: &WorkingSet, fault: &EventFault) -> Self {
        Self {
            at: set.now,
            worker: set.settings.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            message: fault.message.clone(),
        }
    }
}

/// The tries of a parked row, the first one first.
pub(crate) fn tries(row: &parked_event::Model) -> Vec<Try> {
    row.tries.as_deref().and_then(|tries| serde_json::from_str(tries).ok()).unwrap_or_default()
}

fn with_one_more(mut tries: Vec<Try>, one: Try) -> String {
    tries.push(one);
    serde_json::to_string(&tries).unwrap_or_default()
}

/// The delay ± 20 %, so that what failed together is not tried together.
fn jittered(delay_s: u64) -> Duration {
    Duration::from_secs(delay_s).mul_f64(rand::random_range(0.8..=1.2))
}
