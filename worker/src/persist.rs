//! Writes what changed, a statement per table, or a few where rows are large: parents, appointments, ledger, parked events, dead letters. It must never
//! overwrite a row that was not read and locked: what turns out not to be new makes the whole transaction start over.

use std::collections::BTreeMap;

use careq_shared::database::{self, Planning};
use careq_shared::entities::{appointment, doctor, event, parked_event, patient, service};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, DatabaseTransaction, EntityTrait, IdenStatic as _, IntoActiveModel, Iterable as _,
    QueryFilter as _,
};

use crate::bounds::{self, InBytes, MAX_STATEMENT};
use crate::dead_letters::Letter;
use crate::fault::Fault;
use crate::lookup::one_of;
use crate::working_set::{Slot, State, WorkingSet};
use crate::{dead_letters, insert};

/// Writes the working set, in the order of the foreign keys; the letters that have failed.
pub(crate) async fn changes<'set>(
    transaction: &DatabaseTransaction,
    set: &'set WorkingSet,
) -> Result<Vec<&'set Letter>, Fault> {
    use appointment::Column as A;
    use doctor::Column as D;
    use event::Column as E;
    use parked_event::Column as P;
    use patient::Column as Pt;
    use service::Column as S;
    rows::<patient::Entity, _>(transaction, &set.patients, [Pt::ClinicId, Pt::CareqId]).await?;
    rows::<doctor::Entity, _>(transaction, &set.doctors, [D::ClinicId, D::CareqId]).await?;
    rows::<service::Entity, _>(transaction, &set.services, [S::ClinicId, S::CareqId]).await?;
    if set.appointments.values().any(|slot| slot.state != State::Stored) {
        // The database checks three foreign keys of each, and planned each check anew: 35 µs an appointment instead of 13.
        database::plan(transaction, Planning::Once).await?;
        rows::<appointment::Entity, _>(transaction, &set.appointments, [A::ClinicId, A::CareqId]).await?;
        database::plan(transaction, Planning::EachTime).await?;
    }
    rows::<event::Entity, _>(transaction, &set.ledger, [E::ClinicId, E::IdempotencyKey]).await?;
    rows::<parked_event::Entity, _>(transaction, &set.parked, [P::EventId]).await?;
    let settled = set.parked.values().filter(|slot| slot.state == State::Deleted);
    let settled: Vec<_> = settled.map(|slot| slot.row.event_id.clone()).collect();
    if !settled.is_empty() {
        let settled = one_of(set.backend, P::EventId, settled);
        parked_event::Entity::delete_many().filter(settled).exec(transaction).await?;
    }
    dead_letters::changes(transaction, set).await
}

/// Writes the rows of one table: changed ones first, so that a hash that one gives up is free for a new one.
async fn rows<E, K>(
    transaction: &DatabaseTransaction,
    rows: &BTreeMap<K, Slot<E::Model>>,
    key: impl IntoIterator<Item = E::Column>,
) -> Result<(), Fault>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + InBytes + Clone,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    let in_state = |state| {
        rows.values().filter(move |slot| slot.state == state).map(|slot| &slot.row).collect::<Vec<_>>()
    };
    let changed = in_state(State::Changed);
    let update = OnConflict::columns(key).update_columns(all_but_keys::<E>()).to_owned();
    for part in bounds::parts(&changed, changed.len(), MAX_STATEMENT) {
        insert::many::<E>(transaction, part, update.clone()).await?;
    }
    let new = in_state(State::New);
    // Whatever it collides with, by any of its unique keys: another worker has just stored it.
    let nothing = OnConflict::new().do_nothing().to_owned();
    for part in bounds::parts(&new, new.len(), MAX_STATEMENT) {
        if insert::many::<E>(transaction, part, nothing.clone()).await? < part.len() as u64 {
            return Err(Fault::Contention);
        }
    }
    Ok(())
}

/// The columns that an update sets. Naming one that a foreign key points at would make PostgreSQL lock the row against
/// those that merely point at it.
fn all_but_keys<E: EntityTrait>() -> impl Iterator<Item = E::Column> {
    const KEYS: [&str; 4] = ["id", "clinic_id", "careq_id", "event_id"];
    E::Column::iter().filter(|column| !KEYS.contains(&column.as_str()))
}
