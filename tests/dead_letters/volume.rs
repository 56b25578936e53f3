//! Fifty thousand letters replayed at a rate, paused and resumed, while live traffic continues and gets its
//! responses.

use std::time::{Duration, Instant};

use careq_shared::clock;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter;
use careq_shared::records::Kind;
use sea_orm::{DatabaseConnection, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};
use serde_json::Value;

use super::prepared::insert_letters;
use super::replays::{COUNT_WRITES, writes};
use super::{QUICK, command, execute, finished};
use crate::harness::{Client, Stack, accept, patient, until_within};

const LETTERS: i64 = 50_000;

/// `careq_id` of the first record of live traffic.
const LIVE: i64 = 1_000_000;

/// Rows of one insert that both databases accept: a letter has 21 columns.
const ROWS_PER_INSERT: usize = 1_000;

/// Letters per second that a debug build reaches on two cores with other load.
const RATE: i64 = 400;

/// Maximum factor by which live responses may be slower during a job. Behind the queued letters they would take
/// more than a second.
const MAX_SLOWED_DOWN: u32 = 8;

/// Below this median, the measurement depends on the machine and not on the job.
const SHORTEST: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_letters_during_live_traffic() {
    let stack = Stack::full(2, &QUICK).await;
    insert_all(&stack.database.connection).await;
    execute(&stack, COUNT_WRITES).await;
    let mut without_job = answers(&stack.client, 2 * LIVE).await;
    let made = Instant::now();
    let job = command(&stack, &["replay", "--all", "--rate", &RATE.to_string()]).await;
    assert_eq!(job["letters"], LETTERS, "{job}");
    let id = job["id"].as_str().unwrap().to_owned();
    let live = tokio::spawn(live_traffic(stack.client.clone(), stack.database.connection.clone()));

    until_within(Duration::from_mins(5), "a tenth of the letters is resolved", || async {
        let progress = progress(&stack, &id).await;
        (progress["resolved"].as_i64()? > LETTERS / 10).then_some(())
    })
    .await;
    command(&stack, &["jobs", "pause", &id]).await;
    let paused = until_within(Duration::from_mins(1), "the published letters are settled", || async {
        let progress = progress(&stack, &id).await;
        (progress["published"] == 0).then_some(progress)
    })
    .await;
    assert!(paused["pending"].as_i64().unwrap() > 0, "{paused}");
    // Live traffic continues while the job is paused.
    without_job.extend(answers(&stack.client, 3 * LIVE).await);
    assert_eq!(progress(&stack, &id).await, paused);
    command(&stack, &["jobs", "resume", &id]).await;
    let job = finished(&stack, &job).await;
    assert_eq!(job["progress"]["resolved"], LETTERS, "{job}");

    let took = made.elapsed();
    // The first step starts without a delay, and the last one is not followed by one.
    let shortest = Duration::from_secs(u64::try_from(LETTERS / RATE - 2).unwrap());
    assert!(took >= shortest, "{LETTERS} letters in {took:?}, that is more than {RATE} a second");
    let with_job = live.await.unwrap();
    let written = LETTERS + i64::try_from(without_job.len() + with_job.len()).unwrap();
    assert_eq!(writes(&stack).await, (written, written), "each record is written once");
    let (without_job, with_job) = (median(without_job), median(with_job));
    println!(
        "{LETTERS} letters in {took:?}; live responses took {with_job:?}, and {without_job:?} without the job"
    );
    assert!(
        with_job <= MAX_SLOWED_DOWN * without_job.max(SHORTEST),
        "{with_job:?} during the job, {without_job:?} without it"
    );
    let open = dead_letter::Entity::find()
        .filter(sea_orm::ColumnTrait::ne(&dead_letter::Column::State, DeadLetterState::Resolved));
    assert_eq!(open.count(&stack.database.connection).await.unwrap(), 0);
    stack.finish().await;
}

fn median(mut took: Vec<Duration>) -> Duration {
    assert!(took.len() >= 20, "live traffic continued: {took:?}");
    took.sort();
    took[took.len() / 2]
}

async fn progress(stack: &Stack, id: &str) -> Value {
    command(stack, &["jobs", "show", id]).await["job"]["progress"].clone()
}

/// Response times of several webhooks, sent one after the other.
async fn answers(client: &Client, first: i64) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in first + 1..=first + 30 {
        took.push(answered(client, number).await);
    }
    took
}

async fn answered(client: &Client, number: i64) -> Duration {
    let asked = Instant::now();
    let answer = client.post("/patient", &patient(number)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    asked.elapsed()
}

/// Response times of webhooks that are sent while the job runs.
async fn live_traffic(client: Client, database: DatabaseConnection) -> Vec<Duration> {
    use careq_shared::entities::replay_job;
    use careq_shared::replay::JobState;
    let mut took = Vec::new();
    for number in LIVE + 1.. {
        took.push(answered(&client, number).await);
        let job = replay_job::Entity::find().one(&database).await.unwrap().unwrap();
        if job.state == JobState::Finished {
            break;
        }
    }
    took
}

/// Inserts the patients' letters.
async fn insert_all(database: &DatabaseConnection) {
    let numbers: Vec<_> = (1..=LETTERS).collect();
    for numbers in numbers.chunks(ROWS_PER_INSERT) {
        let events: Vec<_> =
            numbers.iter().map(|number| accept(Kind::Patient, &patient(*number), clock::now())).collect();
        insert_letters(database, &events).await;
    }
}
