//! Judgement at the end of a trial: the simulator's report, empty queues, logs without personal data, and processes that
//! did not end by themselves. All numbers come from the simulator's report.

use std::path::PathBuf;
use std::time::Duration;

use careq_shared::broker::Queue;
use tokio::process::Command;

use crate::evidence;
use crate::harness::until;
use crate::load::Report;
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;

/// Parts of every name, number, address and token that the simulator sends. None may occur in a log.
const PERSONAL: [&str; 6] =
    ["@example.com", "a-token-of", "Station Road", "prefers mornings", "Asia/Kolkata", "Blood Group"];

/// A recovery time longer than any heartbeat.
const SLOW: Duration = Duration::from_secs(45);

impl Trial {
    /// Waits for the simulator's report and judges the trial.
    pub(crate) async fn judge(mut self, servers: &Servers) -> Row {
        let report = self.report().await;
        self.conclude(servers, &report).await
    }

    /// Judges the trial by a report.
    pub(crate) async fn conclude(mut self, servers: &Servers, report: &Report) -> Row {
        let broker = self.evidence(servers, report).await;
        self.nothing_is_ready(servers).await;
        self.every_process_stops_without_an_error().await;
        self.nothing_was_unacknowledged(servers).await;
        self.logs_hold_nothing_personal();
        let evidence = self.keep_evidence(broker.as_deref());
        self.database.close_by_ref().await.ok();
        if let Some(name) = &self.database_name {
            servers.postgresql.drop_database(name).await;
            servers.rabbitmq.delete_queues(&self.all_queue_names()).await;
        }
        Row::from_report(&report.json, self.recovered_in, self.problems).noting(self.notes, evidence)
    }

    /// State of RabbitMQ while the processes of a suspect trial still run.
    async fn evidence(&self, servers: &Servers, report: &Report) -> Option<String> {
        let is_suspect = self.database_name.is_some() && (report.json["passed"] != true || self.is_slow());
        if !is_suspect {
            return None;
        }
        servers.rabbitmq.copy_files(&evidence::folder(&self.prefix)).await;
        Some(evidence::broker_state(&servers.rabbitmq).await)
    }

    fn keep_evidence(&self, broker: Option<&str>) -> Option<PathBuf> {
        if self.problems.is_empty() && broker.is_none() {
            return None;
        }
        let logs = self.logs_of_the_ended.iter().enumerate();
        let logs = logs.map(|(number, log)| (format!("process-{number}.log"), log.as_str()));
        let broker = broker.map(|state| ("rabbitmq.txt".to_owned(), state));
        Some(evidence::keep(&self.prefix, logs.chain(broker)))
    }

    /// Whether the recovery was slow, although within its limit.
    fn is_slow(&self) -> bool {
        self.recovered_in.is_some_and(|recovered_in| recovered_in > SLOW)
    }

    async fn nothing_is_ready(&self, servers: &Servers) {
        for queue in self.queues() {
            until(&format!("the {queue} queue is empty"), || async {
                self.ready(servers, queue).await.filter(|ready| ready.total == 0).map(drop)
            })
            .await;
        }
    }

    /// Messages that a worker held without acknowledging them are ready again when no worker runs.
    async fn nothing_was_unacknowledged(&mut self, servers: &Servers) {
        for queue in self.queues() {
            let messages = self.ready(servers, queue).await.map(|ready| ready.total);
            self.expect(
                messages == Some(0),
                &format!("the {queue} queue holds {messages:?} messages that workers had not acknowledged"),
            );
        }
    }

    /// The queues in RabbitMQ; none on the embedded default.
    fn queues(&self) -> Vec<Queue> {
        if self.database_name.is_some() { Queue::ALL.to_vec() } else { Vec::new() }
    }

    /// All processes are stopped at the same time, so that no worker takes messages that another one returns.
    async fn every_process_stops_without_an_error(&mut self) {
        let ingresses = self.ingresses.drain(..).map(|ingress| ingress.process);
        let mut processes: Vec<_> = self.workers.drain(..).chain(ingresses).collect();
        let running = processes.iter_mut().filter_map(|process| (!process.has_ended()).then(|| process.id()));
        let running: Vec<_> = running.collect();
        let ended_before = processes.len() - running.len();
        self.expect(ended_before == 0, &format!("{ended_before} processes ended by themselves"));
        terminate(&running).await;
        for process in processes {
            let ended = process.ended().await;
            let last = last_lines(&ended.stderr);
            self.expect(ended.success, &format!("a process ended with an error: {last}"));
            self.has_ended(&ended);
        }
    }

    fn logs_hold_nothing_personal(&mut self) {
        for word in PERSONAL {
            let is_there = self.logs_of_the_ended.iter().any(|log| log.contains(word));
            self.expect(!is_there, &format!("a log holds personal data: {word}"));
        }
    }
}

/// Sends SIGTERM to all processes with one command.
async fn terminate(process_ids: &[u32]) {
    let process_ids = process_ids.iter().map(u32::to_string);
    Command::new("kill").arg("-TERM").args(process_ids).status().await.unwrap();
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
