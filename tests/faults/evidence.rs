//! What is kept of a fault that was not passed: the logs of its processes, and what RabbitMQ held while they ran. Without it a fault
//! that comes once in fifty runs could not be understood. It must never be looked at by the judgement.

use std::path::PathBuf;

use crate::servers::RabbitMq;

/// What an operator would ask RabbitMQ.
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

/// What RabbitMQ says of its queues and of those who read them.
pub(crate) async fn of_broker(rabbitmq: &RabbitMq) -> String {
    let mut said = String::new();
    for question in QUESTIONS {
        said.push_str(&rabbitmq.control(question).await);
    }
    said
}

/// Writes everything into a folder of its own, below `target/`.
pub(crate) fn keep<'text>(name: &str, texts: impl Iterator<Item = (String, &'text str)>) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults-not-passed").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for (file, text) in texts {
        std::fs::write(folder.join(file), text).unwrap();
    }
    folder
}
