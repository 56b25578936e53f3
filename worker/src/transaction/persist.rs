//! Writes the changes of a working set: changed rows are updated, new rows inserted, and parked rows may also be deleted. Only rows that
//! were read and locked are overwritten: if a new row exists already, the transaction is retried.

use std::collections::BTreeMap;

use careq_shared::database::{self, Planning};
use careq_shared::entities::{appointment, doctor, event, parked_event, patient, service};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, DatabaseTransaction, EntityTrait, IdenStatic as _, IntoActiveModel, Iterable as _,
    QueryFilter as _,
};

use super::working_set::{Slot, State, WorkingSet};
use crate::db::bounds::InBytes;
use crate::db::insert::Inserts;
use crate::db::lookup::one_of;
use crate::dead_letters::row::DeadLetter;
use crate::dead_letters::write;
use crate::fault::Fault;

/// Writes the working set in the order of the foreign keys, two tables together; returns the dead letters that were recorded.
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
    let mut inserts = Inserts::new(transaction);
    add::<doctor::Entity, _>(&mut inserts, &set.doctors, [D::ClinicId, D::CareqId]).await?;
    add::<service::Entity, _>(&mut inserts, &set.services, [S::ClinicId, S::CareqId]).await?;
    inserts.send().await?;
    add::<patient::Entity, _>(&mut inserts, &set.patients, [Pt::ClinicId, Pt::CareqId]).await?;
    add::<appointment::Entity, _>(&mut inserts, &set.appointments, [A::ClinicId, A::CareqId]).await?;
    inserts.send().await?;
    add::<event::Entity, _>(&mut inserts, &set.ledger, [E::ClinicId, E::IdempotencyKey]).await?;
    add::<parked_event::Entity, _>(&mut inserts, &set.parked, [P::EventId]).await?;
    inserts.send().await?;
    let released = set.parked.values().filter(|slot| slot.state == State::Deleted);
    let released: Vec<_> = released.map(|slot| slot.row.event_id.clone()).collect();
    if !released.is_empty() {
        let released = one_of(set.backend, P::EventId, released);
        parked_event::Entity::delete_many().filter(released).exec(transaction).await?;
    }
    if set.dead_letters.is_empty() && set.letter_updates.is_empty() {
        return Ok(Vec::new());
    }
    // Dead letters are looked up, by plans that fit the tables.
    database::set_plan_caching(transaction, Planning::PerExecution).await?;
    write::changes(transaction, &set.letter_updates, &set.dead_letters).await
}

/// Adds the changed and the new rows of one table.
async fn add<E, K>(
    inserts: &mut Inserts<'_>,
    rows: &BTreeMap<K, Slot<E::Model>>,
    key: impl IntoIterator<Item = E::Column>,
) -> Result<(), Fault>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + InBytes + Clone,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    let in_state = |state| {
        rows.values().filter(move |slot| slot.state == state).map(|slot| &slot.row).collect::<Vec<_>>()
    };
    // The upsert updates many rows in one statement. The rows exist, so each insert conflicts.
    let update = OnConflict::columns(key).update_columns(all_but_keys::<E>()).to_owned();
    inserts.add::<E>(&in_state(State::Changed), Some(&update)).await?;
    // If a unique key conflicts, the event is a duplicate that was assumed to be new, or another worker stored the row first.
    inserts.add::<E>(&in_state(State::New), None).await
}

/// The columns that an update sets. If it named a referenced key, PostgreSQL would lock the row against rows that refer to it.
fn all_but_keys<E: EntityTrait>() -> impl Iterator<Item = E::Column> {
    const KEYS: [&str; 4] = ["id", "clinic_id", "careq_id", "event_id"];
    E::Column::iter().filter(|column| !KEYS.contains(&column.as_str()))
}
