//! Every implied record by its status page: it must be there, at its newest version, and what was refused must not be.

use std::sync::atomic::Ordering;
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use futures_util::stream;

use super::expected::{Expected, Key, Record, status_of};
use super::{Checked, page};
use crate::findings::Findings;
use crate::run::Run;
use crate::send::Data;

pub(super) async fn all(run: &Run, expected: &Expected, deadline: Instant, checked: &mut Checked) {
    let records = expected.records.iter().map(|(key, record)| (*key, Implied::Record(*record)));
    let orphans = expected.orphans.iter().map(|key| (*key, Implied::Orphan));
    let refused = expected.refused.iter().map(|key| (*key, Implied::Nothing));
    let mut judged = stream::iter(records.chain(orphans).chain(refused))
        .map(|(key, implied)| one(run, key, implied, deadline))
        .buffer_unordered(run.plan.connections);
    while let Some(findings) = judged.next().await {
        checked.records += 1;
        checked.findings.add(findings);
    }
}

/// What there must be of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Implied {
    Record(Record),
    /// A page that says what it waits for, or that it has failed.
    Orphan,
    Nothing,
}

async fn one(run: &Run, key: Key, implied: Implied, deadline: Instant) -> Findings {
    let mut findings = Findings::default();
    let Some(clinic) = run.clinics.get(key.clinic) else { return findings };
    let path = format!("/status/{}/{}", key.kind, key.careq_id);
    let is_right = |page: Option<&Data>| page.is_some() != (implied == Implied::Nothing);
    let page = page(run, clinic, &path, deadline, is_right).await;
    run.live.checked.fetch_add(1, Ordering::Relaxed);
    let place = format!("{} {}", key.kind, key.careq_id);
    let Ok(page) = page else {
        findings.unread(&place);
        return findings;
    };
    match (implied, page) {
        (Implied::Nothing, None) => {}
        (Implied::Nothing, Some(_)) => findings.wrong(&format!("{place}: there, although it was refused")),
        (_, None) => findings.lost(&format!("{place}: there is no page of it")),
        (Implied::Orphan, Some(page)) if page.sync_status.as_deref() == Some("synced") => {
            findings.wrong(&format!("{place}: stored without its parent"));
        }
        (Implied::Orphan, Some(_)) => {}
        (Implied::Record(record), Some(page)) => {
            for difference in differences(run, record, &page) {
                findings.wrong(&format!("{place}: {difference}"));
            }
        }
    }
    findings
}

fn differences(run: &Run, record: Record, page: &Data) -> Vec<String> {
    let mut differences = Vec::new();
    if page.sync_status.as_deref() != Some("synced") {
        differences.push(format!("it is {}", page.sync_status.as_deref().unwrap_or("in no state")));
        return differences;
    }
    // A record without a stamp has the moment of its acceptance, which only the ingress knows.
    if record.details.stamp.is_some() && moment(page.updated_at.as_deref()) != record.details.stamp {
        differences.push("updated_at is not that of its newest version".to_owned());
    }
    if page.status_updated_at.is_some() {
        if moment(page.status_updated_at.as_deref()) != record.status.stamp {
            differences.push("status_updated_at is not that of its newest status".to_owned());
        }
        let newest = record.status.event(&run.world);
        let status = newest.as_ref().map(|(kind, body)| status_of(*kind, body));
        if page.status.as_deref() != status {
            differences.push("its status is not the newest".to_owned());
        }
    }
    differences
}

fn moment(text: Option<&str>) -> Option<DateTime<Utc>> {
    text.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|moment| moment.to_utc())
}
