//! Check of every record by its status page: an implied record is at its newest version, and a refused one does not exist.

use std::time::Instant;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};

use super::expected::{Expected, Key, Record, status_of};
use crate::client::ResponseData;
use crate::report::Finding;
use crate::run::Run;

pub(super) async fn check(run: &Run, expected: &Expected, deadline: Instant) {
    let records = expected.records.iter().map(|(key, record)| (*key, Implied::Record(*record)));
    let orphans = expected.orphans.iter().map(|key| (*key, Implied::Orphan));
    let refused = expected.refused.iter().map(|key| (*key, Implied::Nothing));
    let check = |(key, implied)| check_record(run, key, implied, deadline);
    let all = stream::iter(records.chain(orphans).chain(refused));
    all.for_each_concurrent(run.plan.connections, check).await;
}

/// State that a record must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Implied {
    Record(Record),
    /// The page says that the record waits for its parent, or that it has failed.
    Orphan,
    Nothing,
}

async fn check_record(run: &Run, key: Key, implied: Implied, deadline: Instant) {
    run.report().checked_records += 1;
    let authenticator = &run.authenticators[key.clinic];
    let path = format!("/status/{}/{}", key.kind, key.careq_id);
    let is_final = |page: Option<&ResponseData>| page.is_some() != (implied == Implied::Nothing);
    let Ok(page) = run.client.status_page(authenticator, &path, deadline, is_final).await else {
        return run.find(Finding::Unread, &key.to_string());
    };
    match (implied, page) {
        (Implied::Nothing, None) => {}
        (Implied::Nothing, Some(_)) => {
            run.find(Finding::Wrong, &format!("{key}: it exists although it was refused"));
        }
        (_, None) => run.find(Finding::Lost, &format!("{key}: it has no status page")),
        (Implied::Orphan, Some(page)) if page.sync_status.as_deref() == Some("synced") => {
            run.find(Finding::Wrong, &format!("{key}: stored without its parent"));
        }
        (Implied::Orphan, Some(_)) => {}
        (Implied::Record(implied), Some(page)) => {
            for difference in differences(run, implied, &page) {
                run.find(Finding::Wrong, &format!("{key}: {difference}"));
            }
        }
    }
}

fn differences(run: &Run, record: Record, page: &ResponseData) -> Vec<String> {
    if page.sync_status.as_deref() != Some("synced") {
        return vec![format!("its state is {}", page.sync_status.as_deref().unwrap_or("missing"))];
    }
    let mut differences = Vec::new();
    // A record without a time stamp gets the time of its acceptance, which only the ingress knows.
    if record.details.stamp.is_some() && time(page.updated_at.as_deref()) != record.details.stamp {
        differences.push("updated_at is not that of its newest version".to_owned());
    }
    if page.status_updated_at.is_some() {
        if time(page.status_updated_at.as_deref()) != record.status.stamp {
            differences.push("status_updated_at is not that of its newest status".to_owned());
        }
        let (kind, body) = record.status.event(&run.world);
        if page.status.as_deref() != status_of(kind, &body) {
            differences.push("its status is not the newest".to_owned());
        }
    }
    differences
}

/// `None` for a missing or invalid time, which then differs from every expected one.
fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    text.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|time| time.to_utc())
}
