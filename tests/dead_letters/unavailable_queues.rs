//! Replays while the queue of one clinic takes no messages: the letters of the other clinic are published once, and those of this clinic
//! follow as soon as its queue can be used.

use careq_shared::broker::Queue;
use careq_shared::clock;
use careq_shared::event::Event;
use careq_shared::message::{self, Content, Message};
use careq_shared::records::Kind;
use chrono::TimeDelta;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;

use super::prepared::{insert_letter_of_bytes, insert_letters};
use super::races::Scene;
use super::{QUICK, command, finished};
use crate::harness::{Backend, FreshDatabase, PARTITIONS, Stack, accept, channel, clinic_in, patient, until};

/// Number of letters of the clinic whose queue takes no messages, and of the other clinic.
const HERE: i64 = 35;
const THERE: i64 = 20;

/// `careq_id` before the first patient of the other clinic.
const BEFORE_THERE: i64 = 1_000;

/// Number of retries after which the other letters have been published for long.
const RETRIES: usize = 4;

/// Clinics of the first and of the second partition.
fn clinics() -> [String; 2] {
    [0, 1].map(|partition| clinic_in(partition, PARTITIONS))
}

/// The event of a patient, an hour old. A job begins with the lowest place.
fn event(clinic: &str, number: i64, place: i64) -> Event {
    let mut body = patient(number);
    body["clinic_id"] = clinic.into();
    let an_hour_ago = clock::now() - TimeDelta::hours(1);
    accept(Kind::Patient, &body, an_hour_ago + TimeDelta::seconds(place))
}

/// Events of two clinics: ten of each in turn, then the rest of the first, then the rest of the second. The first step of a job has events
/// of both, and a later one has only events of the first.
fn events([here, there]: &[String; 2]) -> Vec<Event> {
    let place = |number: i64| if number <= 10 { 2 * number } else { 100 + number };
    let first_clinic = (1..=HERE).map(|number| event(here, number, place(number)));
    let later_place = |number: i64| if number <= 10 { 2 * number + 1 } else { 200 + number };
    let second_clinic = (1..=THERE).map(|number| event(there, BEFORE_THERE + number, later_place(number)));
    first_clinic.chain(second_clinic).collect()
}

/// Numbers of the records in the published messages.
fn published(scene: &Scene) -> Vec<i64> {
    let mut numbers = Vec::new();
    for body in scene.broker.published() {
        let message: Message = message::decode(&body).unwrap();
        match message.content {
            Content::Event(event) => numbers.push(event.careq_id),
            Content::Replay(replay) => numbers.extend(replay.events.iter().map(|event| event.careq_id)),
            Content::Batch(batch) => panic!("{batch:?}"),
        }
    }
    numbers.sort_unstable();
    numbers
}

/// Waits until the refused clinic has been tried repeatedly, and the other clinic's letters are published.
async fn others_are_published(scene: &Scene, letters: u64) {
    until("the other letters are published, and the refused ones were tried again", || async {
        let is_published = scene.progress().await.published == letters;
        (is_published && scene.broker.failed_publishes() >= RETRIES).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_refused_message_delays_only_the_letters_of_its_clinic() {
    let clinics = clinics();
    let scene = Scene::new(events(&clinics)).await;
    scene.broker.refuse(Some(&clinics[0]));
    let worker = scene.worker();
    others_are_published(&scene, THERE.unsigned_abs()).await;
    let there = BEFORE_THERE + 1..=BEFORE_THERE + THERE;
    assert_eq!(published(&scene), there.clone().collect::<Vec<_>>());
    assert_eq!(scene.progress().await.pending, HERE.unsigned_abs());

    scene.broker.refuse(None);
    until("every letter is published", || async { (scene.progress().await.pending == 0).then_some(()) })
        .await;
    worker.stop().await;
    assert_eq!(published(&scene), (1..=HERE).chain(there).collect::<Vec<_>>());
}

/// The rows of undecodable letters name no clinic.
#[tokio::test]
async fn refused_whole_messages_delay_no_other_clinic() {
    let [here, there] = &clinics();
    let database = FreshDatabase::new(Backend::Postgres).await;
    let mut letters = Vec::new();
    for number in 1..=HERE {
        let content = Content::Event(Box::new(event(here, number, number)));
        let message = message::encode(&Message { reply_to: None, content }).unwrap();
        letters.push(insert_letter_of_bytes(&database.connection, &message).await);
    }
    // A letter of bytes is as old as its row, and this one is newer.
    let events = vec![event(there, BEFORE_THERE, 3_600)];
    letters.extend(insert_letters(&database.connection, &events).await);
    let scene = Scene::with_job(database, events, letters).await;
    scene.broker.refuse(Some(here));
    let worker = scene.worker();
    others_are_published(&scene, 1).await;
    assert_eq!(published(&scene), [BEFORE_THERE]);

    scene.broker.refuse(None);
    until("every letter is published", || async { (scene.progress().await.pending == 0).then_some(()) })
        .await;
    worker.stop().await;
    assert_eq!(published(&scene), (1..=HERE).chain([BEFORE_THERE]).collect::<Vec<_>>());
}

/// A worker publishes nothing to a classic queue, because that may lose what it has confirmed.
#[tokio::test]
async fn a_queue_with_other_arguments_delays_only_the_letters_of_its_partition() {
    let mut stack = Stack::full(0, &QUICK).await;
    let clinics = clinics();
    insert_letters(&stack.database.connection, &events(&clinics)).await;
    let queue = stack.queue_of(Queue::Bulk, &clinics[0]);
    let (_connection, channel) = channel().await;
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let classic = QueueDeclareOptions::durable();
    channel.queue_declare(queue.as_str().into(), classic, FieldTable::default()).await.unwrap();

    let job = command(&stack, &["replay", "--all", "--rate", "100"]).await;
    stack.start_worker().await;
    until("the other letters are resolved, and the worker has tried these again", || async {
        let shown = command(&stack, &["jobs", "show", job["id"].as_str().unwrap()]).await;
        let retries = stack.logged().matches("letters cannot be published").count();
        (shown["job"]["progress"]["resolved"] == THERE && retries >= RETRIES).then_some(())
    })
    .await;
    let repeated = stack.metric("careq_sync_results_total", &[("outcome", "repeated")]).await;
    assert!(repeated < 0.5, "{repeated} events were published again");

    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let job = finished(&stack, &job).await;
    assert_eq!(job["progress"]["resolved"], HERE + THERE, "{job}");
    stack.finish().await;
}
