//! Writes the changes of a working set. Each table has one upsert for changed rows and one insert for new rows, split by size. Parked
//! rows may also be deleted. Only rows that were read and locked are overwritten: if a new row exists already, the transaction is retried.

use std::collections::BTreeMap;

use careq_shared::database::{self, Planning};
use careq_shared::entities::{appointment, doctor, event, parked_event, patient, service};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, DatabaseTransaction, EntityTrait, IdenStatic as _, IntoActiveModel, Iterable as _,
    QueryFilter as _,
};

use super::working_set::{Slot, State, WorkingSet};
use crate::db::bounds::{self, InBytes, MAX_STATEMENT};
use crate::db::insert;
use crate::db::lookup::one_of;
use crate::dead_letters::row::DeadLetter;
use crate::dead_letters::write;
use crate::fault::Fault;

/// Writes the working set in the order of the foreign keys; returns the dead letters that were recorded.
pub(crate) async fn changes<'set>(
    transaction: &DatabaseTransaction,
    set: &'set WorkingSet,
) -> Result<Vec<&'set DeadLetter>, Fault> {
    use appointment::Column as A;
    use doctor::Column as D;
    use event::Column as E;
    use parked_event::Column as P;
    use patient::Column as Pt;
    use service::Column as S;
    rows::<patient::Entity, _>(transaction, &set.patients, [Pt::ClinicId, Pt::CareqId]).await?;
    rows::<doctor::Entity, _>(transaction, &set.doctors, [D::ClinicId, D::CareqId]).await?;
    rows::<service::Entity, _>(transaction, &set.services, [S::ClinicId, S::CareqId]).await?;
    if set.appointments.values().any(|slot| slot.state != State::Unchanged) {
        // Cached plans: checking three foreign keys costs 13 µs a row, otherwise 35 µs.
        database::set_plan_caching(transaction, Planning::Cached).await?;
        rows::<appointment::Entity, _>(transaction, &set.appointments, [A::ClinicId, A::CareqId]).await?;
        database::set_plan_caching(transaction, Planning::PerExecution).await?;
    }
    rows::<event::Entity, _>(transaction, &set.ledger, [E::ClinicId, E::IdempotencyKey]).await?;
    rows::<parked_event::Entity, _>(transaction, &set.parked, [P::EventId]).await?;
    let released = set.parked.values().filter(|slot| slot.state == State::Deleted);
    let released: Vec<_> = released.map(|slot| slot.row.event_id.clone()).collect();
    if !released.is_empty() {
        let released = one_of(set.backend, P::EventId, released);
        parked_event::Entity::delete_many().filter(released).exec(transaction).await?;
    }
    write::changes(transaction, &set.letter_updates, &set.dead_letters).await
}

/// Writes the rows of one table. Changed rows come first, so that a hash that one of them gives up is free for a new row.
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
    // The upsert updates many rows in one statement. The rows exist, so each insert conflicts.
    let changed = in_state(State::Changed);
    let update = OnConflict::columns(key).update_columns(all_but_keys::<E>()).to_owned();
    for part in bounds::parts(&changed, changed.len(), MAX_STATEMENT) {
        insert::many::<E>(transaction, part, update.clone()).await?;
    }
    let new = in_state(State::New);
    // A unique key conflicts: the event is a duplicate that was assumed to be new, or another worker stored the row first.
    let nothing = OnConflict::new().do_nothing().to_owned();
    for part in bounds::parts(&new, new.len(), MAX_STATEMENT) {
        if insert::many::<E>(transaction, part, nothing.clone()).await? < part.len() as u64 {
            return Err(Fault::Contention);
        }
    }
    Ok(())
}

/// The columns that an update sets. If it named a referenced key, PostgreSQL would lock the row against rows that refer to it.
fn all_but_keys<E: EntityTrait>() -> impl Iterator<Item = E::Column> {
    const KEYS: [&str; 4] = ["id", "clinic_id", "careq_id", "event_id"];
    E::Column::iter().filter(|column| !KEYS.contains(&column.as_str()))
}
