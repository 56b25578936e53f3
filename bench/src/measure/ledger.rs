//! Draining with a ledger that holds years of events, compared with an empty ledger, alternately.

use anyhow::Result;
use sea_orm::ConnectionTrait as _;
use tokio::process::Command;

use super::backlog;
use crate::context::Context;
use crate::installation::Installation;
use crate::load::CLINIC;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{alternate, map_pairs};

/// Statements that insert rows like those of settled events, with ids and keys of the same form. The indexes are created
/// afterwards, which is faster.
fn filling(rows: u64) -> [String; 6] {
    // The form of `EventId`: kind and number, a digest, and a seal.
    let event_id = "'evt_' || translate(encode('t' || int8send(n) || decode(md5(n::text), 'hex') \
                    || substr(decode(md5('seal' || n), 'hex'), 1, 8), 'base64'), '+/', '-_')";
    [
        "ALTER TABLE events DROP CONSTRAINT events_pkey".to_owned(),
        "DROP INDEX events_idempotency_key".to_owned(),
        format!(
            "INSERT INTO events (event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome, \
             settled_at) SELECT {event_id}, 'clinic_abc', 'status/' || n || '/hmac-sha256:' || md5('k' || n) || md5(n::text), \
             md5('c' || n) || md5(n::text), 'status', n, now(), 'updated', now() \
             FROM generate_series(1, {rows}) AS n"
        ),
        "ALTER TABLE events ADD PRIMARY KEY (event_id)".to_owned(),
        "CREATE UNIQUE INDEX events_idempotency_key ON events (clinic_id, idempotency_key)".to_owned(),
        // Otherwise autovacuum would run during the measurement.
        "VACUUM ANALYZE events".to_owned(),
    ]
}

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let (empty, full) = (Installation::new(context).await?, Installation::new(context).await?);
    for statement in filling(context.ledger_rows) {
        full.database.execute_unprepared(&statement).await?;
    }
    // Otherwise the system would write gigabytes of the rows to disk during the first measurements.
    Command::new("sync").status().await?;
    let mut seed = 0;
    let drain = async |(installation, tables): (&Installation, &str)| {
        seed += 1;
        installation.empty(tables).await?;
        let events = backlog::publish(installation, &[CLINIC], seed, context.smaller_backlog).await?;
        backlog::drain(installation, events, &[]).await
    };
    let empty = (&empty, backlog::TABLES);
    let full = (&full, "parked_events, patients, doctors, services");
    let pairs = alternate(context.repeats, empty, full, drain).await?;
    let rates = map_pairs(&pairs, |drained| drained.per_second);
    let what = format!("drained behind {} rows", context.ledger_rows);
    let line = Line::compared(what, Unit::PerSecond, "an empty ledger", &rates);
    Ok(vec![line.with(Target::RatioAtLeast(0.8))])
}
