//! Check of the table `batches`: each batch has its records in the order sent, with the acknowledged ids.

use std::collections::{BTreeMap, HashMap};

use careq_shared::entities::batch;
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _};
use serde::Deserialize;

use super::expected::Batch;
use crate::findings::Findings;
use crate::send::receipt::Receipt;
use crate::store::Store;
use crate::world::World;

/// Rows that are read at a time.
const PAGE_SIZE: usize = 500;

/// Entry of a row for one record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Accepted { kind: String, careq_id: i64, event_id: String },
    Refused {},
}

/// Compares every batch of a clinic and returns the number of rows.
pub(super) async fn check(
    world: &World,
    batches: &[&Batch],
    receipts: &[Receipt],
    store: &Store,
    findings: &mut Findings,
) -> Result<u64, DbErr> {
    let acknowledged: HashMap<_, _> = receipts
        .iter()
        .map(|receipt| ((receipt.scenario, receipt.event), receipt.event_id.as_ref()))
        .collect();
    let mut seen = 0;
    for page in batches.chunks(PAGE_SIZE) {
        let Some(first) = page.first() else { continue };
        let ids = page.iter().map(|batch| batch.id.as_str());
        let rows = batch::Entity::find()
            .filter(batch::Column::ClinicId.eq(world.clinic_ids[first.clinic].as_str()))
            .filter(batch::Column::BatchId.is_in(ids))
            .all(&store.database)
            .await?;
        seen += rows.len() as u64;
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.batch_id, row.entries)).collect();
        for batch in page {
            match rows.get(&batch.id) {
                None => findings.lost(&format!("batch {}: no row", batch.id)),
                Some(entries) if !is_as_sent(world, batch, entries, &acknowledged) => {
                    findings.wrong(&format!("batch {}: its records differ from those sent", batch.id));
                }
                Some(_) => {}
            }
        }
    }
    Ok(seen)
}

fn is_as_sent(world: &World, batch: &Batch, entries: &str, acknowledged: &HashMap<(u64, u16), &str>) -> bool {
    let Ok(entries) = serde_json::from_str::<Vec<Entry>>(entries) else { return false };
    let scenario = world.scenario(batch.scenario);
    let is_right = |(number, entry): (u16, &Entry)| match (scenario.event(number), entry) {
        (Some(event), Entry::Accepted { kind, careq_id, event_id }) => {
            *kind == event.kind.to_string()
                && *careq_id == event.careq_id
                && acknowledged.get(&(batch.scenario, number)).copied() == Some(event_id)
        }
        _ => false,
    };
    entries.len() == batch.events.len() && batch.events.clone().zip(&entries).all(is_right)
}
