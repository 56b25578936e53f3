//! Unparks events whose parent has arrived.
//!
//! A child may look for its parent before the parent's commit and park after it. So both search again, in a new statement after their own
//! commit: the one that commits last finds the other. The sweep is a second level that normal operation does not need.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::entities::parked_event;
use sea_orm::sea_query::{Alias, Expr, Query};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult, Statement};

use super::{claim, search};
use crate::context::{Context, Stopped};
use crate::db::bounds::{InBytes, MAX_WAITING};
use crate::db::lookup::{self, RecordKeys};
use crate::db::retries::retry_within_limits;
use crate::dead_letters::{keep, late_parents};
use crate::item::{Item, Unreadable};
use crate::transaction::unpark_triggers::UnparkTriggers;
use crate::transaction::{self, order};

/// Maximum number of unparked events in a batch of new messages, so that many children of one parent do not delay it. With a batch of
/// 1,000 they fit into one SQLite statement, which has 32,766 parameters.
pub(crate) const MAX_WITH_A_BATCH: u64 = 56;

/// Parked events whose parent may have been stored by a recent commit, newest commit last. The newest is searched first, so that the
/// queue holds few commits.
#[derive(Debug, Default)]
pub struct ReadyQueue(Vec<Search>);

/// The search after one commit.
#[derive(Debug, Default)]
struct Search {
    triggers: UnparkTriggers,
    /// Event ids of the previous page. An event that is found twice is left to the sweep, which counts attempts.
    found: BTreeSet<String>,
}

impl ReadyQueue {
    /// Adds a commit.
    pub(crate) fn push(&mut self, triggers: UnparkTriggers) {
        if !triggers.is_empty() {
            self.0.push(Search { triggers, found: BTreeSet::new() });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next ready events, at most `max`; empty when none is left.
    pub(crate) async fn next(&mut self, context: &Context, max: u64) -> Result<Vec<Item>, Stopped> {
        while let Some(search) = self.0.last_mut() {
            let (rows, found_all) = search.page(context, max).await?;
            if found_all || rows.is_empty() {
                self.0.pop();
            }
            let items = items(context, rows).await?;
            if !items.is_empty() {
                return Ok(items);
            }
        }
        Ok(Vec::new())
    }
}

/// Whether anything waits for the records of a commit.
#[derive(Debug, Clone, Copy, Default, FromQueryResult)]
struct Waiting {
    dead_letters: bool,
    parked_events: bool,
}

impl Search {
    /// Forgets the stored records if nothing waits for them, which is usual and takes one statement. Dead letters that wait for them are
    /// parked, and are found with the others.
    async fn look_for_children(&mut self, context: &Context) -> Result<(), Stopped> {
        let stored = &mut self.triggers.stored_records;
        if stored.is_empty() {
            return Ok(());
        }
        let waiting = waiting_for(context, stored).await?;
        if waiting.dead_letters {
            late_parents::park_children(context, stored).await?;
        } else if !waiting.parked_events {
            stored.clear();
        }
        Ok(())
    }

    /// At most `max` ready events, and whether there were no more.
    async fn page(
        &mut self,
        context: &Context,
        max: u64,
    ) -> Result<(Vec<parked_event::Model>, bool), Stopped> {
        self.look_for_children(context).await?;
        let (mut found, mut found_all) = (BTreeMap::new(), true);
        let backend = context.database.get_database_backend();
        for statement in search::statements_after_commit(&self.triggers, backend, max) {
            let rows = find(context, &statement).await?;
            // A page that reached one of its bounds may have successors.
            let bytes: usize = rows.iter().map(InBytes::bytes).sum();
            found_all &= (rows.len() as u64) < max && bytes < MAX_WAITING;
            found.extend(rows.into_iter().map(|row| (row.event_id.clone(), row)));
        }
        found_all &= (found.len() as u64) < max;
        let mut rows: Vec<_> = found.into_values().take(usize::try_from(max).unwrap_or(usize::MAX)).collect();
        let found = rows.iter().map(|row| row.event_id.clone()).collect();
        let before = std::mem::replace(&mut self.found, found);
        rows.retain(|row| !before.contains(&row.event_id));
        Ok((rows, found_all))
    }
}

/// Processes the next ready events in transactions of their own, and queues the events that these make ready.
pub(crate) async fn step(context: &Context, ready: &mut ReadyQueue) -> Result<(), Stopped> {
    let max = context.settings.batch_size;
    let next = ready.next(context, u64::try_from(max).unwrap_or(u64::MAX)).await?;
    let items = order::parents_first(&[], next);
    if !items.is_empty() {
        ready.push(transaction::commit_all(context, &items, max).await?.unpark_triggers);
    }
    Ok(())
}

/// Processes everything that is ready.
///
/// # Errors
/// The process was stopped while the database was unavailable; the sweep finds the rest.
pub async fn all(context: &Context, ready: &mut ReadyQueue) -> Result<(), Stopped> {
    while !ready.is_empty() {
        step(context, ready).await?;
    }
    Ok(())
}

/// Processes parked rows and everything that they make ready, until the process stops.
pub(crate) async fn rows(context: &Context, rows: Vec<parked_event::Model>) -> Result<(), Stopped> {
    let items = order::parents_first(&[], items(context, rows).await?);
    let mut ready = ReadyQueue::default();
    let committed = transaction::commit_all(context, &items, context.settings.batch_size).await?;
    ready.push(committed.unpark_triggers);
    while !ready.is_empty() && !context.shutdown.is_cancelled() {
        step(context, &mut ready).await?;
    }
    Ok(())
}

/// The events of parked rows. An undecodable one becomes a dead letter; one that cannot be decrypted stays parked.
async fn items(context: &Context, rows: Vec<parked_event::Model>) -> Result<Vec<Item>, Stopped> {
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        match Item::from_parked(&context.seal, &row, claim::treatment(&row)) {
            Ok(item) => items.push(item),
            Err(Unreadable::Undecodable(bytes)) => keep::unreadable(context, &row, &bytes).await?,
            Err(Unreadable::Sealed(reason)) => {
                tracing::error!(event_id = row.event_id, %reason, "a parked event cannot be opened; it stays parked");
                claim::give_back(context, &row).await?;
            }
        }
    }
    Ok(items)
}

async fn waiting_for(context: &Context, stored: &RecordKeys) -> Result<Waiting, Stopped> {
    let backend = context.database.get_database_backend();
    let waiting = Query::select()
        .expr_as(Expr::exists(late_parents::children(backend, stored)), Alias::new("dead_letters"))
        .expr_as(Expr::exists(search::children(backend, stored)), Alias::new("parked_events"))
        .to_owned();
    let statement = lookup::for_parents(backend, &waiting, stored);
    let row = || Waiting::find_by_statement(statement.clone()).one(&context.database);
    match retry_within_limits(context, row).await? {
        Ok(waiting) => Ok(waiting.unwrap_or_default()),
        Err(fault) => {
            tracing::error!(fault.message, "waiting events cannot be read; the sweep reads them again");
            Ok(Waiting::default())
        }
    }
}

async fn find(context: &Context, search: &Statement) -> Result<Vec<parked_event::Model>, Stopped> {
    let rows = || parked_event::Entity::find().from_raw_sql(search.clone()).all(&context.database);
    match retry_within_limits(context, rows).await? {
        Ok(rows) => Ok(rows),
        Err(fault) => {
            tracing::error!(fault.message, "ready events cannot be read; the sweep reads them again");
            Ok(Vec::new())
        }
    }
}
