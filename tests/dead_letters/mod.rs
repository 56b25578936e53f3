//! Dead letters, from their real causes to the commands that a person uses on them.

mod classes;
mod corrections;
mod duplicates;
mod guide;
mod late_parents;
mod non_delivering_broker;
mod prepared;
mod races;
mod replays;
mod unavailable_queues;
mod volume;

use careq_shared::entities::dead_letter;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryOrder as _};
use serde_json::Value;

use crate::harness::{Stack, until_within};

/// The shortest parent timeout and sweep interval.
const QUICK: [(&str, &str); 2] =
    [("CAREQ_WORKER_PARENT_TIMEOUT_S", "1"), ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1")];

/// Output of `dead-letters … --json`.
async fn command(stack: &Stack, arguments: &[&str]) -> Value {
    let arguments: Vec<_> = ["dead-letters"].iter().chain(arguments).chain(&["--json"]).copied().collect();
    let printed = stack.command(&arguments, &[]).await;
    serde_json::from_str(&printed).unwrap_or_else(|fault| panic!("{arguments:?}: {fault}: {printed}"))
}

/// Error message of a `dead-letters …` command that must fail.
async fn refused(stack: &Stack, arguments: &[&str]) -> String {
    let arguments: Vec<_> = ["dead-letters"].iter().chain(arguments).copied().collect();
    stack.failing_command(&arguments, &[]).await
}

/// All dead letters, in the order of their failures.
async fn letters(stack: &Stack) -> Vec<dead_letter::Model> {
    let select = dead_letter::Entity::find().order_by_asc(dead_letter::Column::LastSeenAt);
    select.all(&stack.database.connection).await.unwrap()
}

async fn execute(stack: &Stack, sql: &str) {
    stack.database.connection.execute_unprepared(sql).await.unwrap();
}

/// Waits until a job has finished, and returns its output.
async fn finished(stack: &Stack, job: &Value) -> Value {
    let id = job["id"].as_str().unwrap();
    // Longer than the lease of a dead worker, and than fifty thousand letters take on a busy machine.
    until_within(std::time::Duration::from_mins(15), "the job is finished", || async {
        let shown = command(stack, &["jobs", "show", id]).await;
        (shown["job"]["state"] == "finished").then(|| shown["job"].clone())
    })
    .await
}
