//! Evidence of a failed fault: the logs of its processes, and the state of RabbitMQ while they ran. A fault that fails
//! once in fifty runs cannot be explained without it. The judgement does not use it.

use std::path::PathBuf;

use crate::servers::RabbitMq;

/// Arguments of `rabbitmqctl`.
const QUESTIONS: [&[&str]; 4] = [
    &["list_queues", "name", "state", "messages_ready", "messages_unacknowledged", "consumers"],
    &["list_connections", "pid", "name", "state", "channels", "client_properties"],
    &[
        "list_channels",
        "pid",
        "connection",
        "number",
        "consumer_count",
        "messages_unacknowledged",
        "prefetch_count",
    ],
    &["list_consumers"],
];

/// State of RabbitMQ's queues, connections, channels and consumers.
pub(crate) async fn broker_state(rabbitmq: &RabbitMq) -> String {
    let mut state = String::new();
    for question in QUESTIONS {
        state.push_str(&rabbitmq.control(question).await);
    }
    state
}

/// The folder below `target/` with the evidence of one installation.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults-not-passed").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes texts to the folder of an installation, and returns the folder.
pub(crate) fn keep<'text>(name: &str, texts: impl Iterator<Item = (String, &'text str)>) -> PathBuf {
    let folder = folder(name);
    for (file, text) in texts {
        std::fs::write(folder.join(file), text).unwrap();
    }
    folder
}
