//! The judgement at the end of a trial: the simulator's, the queues', the logs', and that no process needed help. It must never
//! count what was not seen: its numbers are the simulator's.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;

use crate::evidence;
use crate::harness::until;
use crate::load::Report;
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;

/// Of every name, number and address that the simulator sends, and of every token: none may be in a log.
const PERSONAL: [&str; 6] =
    ["@example.com", "a-token-of", "Station Road", "prefers mornings", "Asia/Kolkata", "Blood Group"];

/// Longer than any heartbeat.
const SLOW: Duration = Duration::from_secs(45);

const QUEUES: [&str; 3] = ["live", "bulk", "dead"];

impl Trial {
    /// Waits for the simulator, and judges.
    pub(crate) async fn judge(mut self, servers: &Servers) -> Row {
        let report = self.report().await;
        self.conclude(servers, &report).await
    }

    /// Judges by a report that is here.
    pub(crate) async fn conclude(mut self, servers: &Servers, report: &Report) -> Row {
        let broker = self.evidence(servers, report).await;
        self.nothing_is_ready(servers).await;
        self.every_process_stops_well().await;
        self.nothing_was_in_hand(servers).await;
        self.logs_hold_nothing_personal();
        let evidence = self.keep_evidence(broker.as_deref());
        self.database.close_by_ref().await.ok();
        if let Some(name) = &self.database_name {
            servers.postgresql.drop_database(name).await;
            servers.rabbitmq.delete_queues(&self.prefix).await;
        }
        Row::of(&report.said, self.recovered_in, self.problems).noting(self.notes, evidence)
    }

    /// Of what RabbitMQ holds, while the processes run that have not done what they should.
    async fn evidence(&self, servers: &Servers, report: &Report) -> Option<String> {
        let is_suspect = self.database_name.is_some() && (report.said["passed"] != true || self.is_slow());
        if is_suspect { Some(evidence::of_broker(&servers.rabbitmq).await) } else { None }
    }

    fn keep_evidence(&self, broker: Option<&str>) -> Option<PathBuf> {
        if self.problems.is_empty() && broker.is_none() {
            return None;
        }
        let logs = self.logs_of_the_ended.iter().enumerate();
        let logs = logs.map(|(number, log)| (format!("process-{number}.log"), log.as_str()));
        let broker = broker.map(|said| ("rabbitmq.txt".to_owned(), said));
        Some(evidence::keep(&self.prefix, logs.chain(broker)))
    }

    /// Far longer than it should have taken, if not too long.
    fn is_slow(&self) -> bool {
        self.recovered_in.is_some_and(|recovered_in| recovered_in > SLOW)
    }

    async fn nothing_is_ready(&self, servers: &Servers) {
        for name in self.queues() {
            until(&format!("{name} is empty"), || async {
                servers.rabbitmq.depth(&name).await.filter(|depth| *depth == 0).map(drop)
            })
            .await;
        }
    }

    /// What a worker had in hand, and never acknowledged, is ready again now that there is no worker.
    async fn nothing_was_in_hand(&mut self, servers: &Servers) {
        for name in self.queues() {
            let depth = servers.rabbitmq.depth(&name).await;
            self.expect(
                depth == Some(0),
                &format!("{name} holds {depth:?} messages that workers had in hand"),
            );
        }
    }

    fn queues(&self) -> Vec<String> {
        let is_there = self.database_name.is_some();
        QUEUES.iter().filter(|_| is_there).map(|queue| format!("{}.{queue}", self.prefix)).collect()
    }

    /// All at the same moment, so that no worker takes over what another one gives back.
    async fn every_process_stops_well(&mut self) {
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
            self.expect(ended.success, &format!("a process ended badly: {last}"));
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

/// One command for all.
async fn terminate(process_ids: &[u32]) {
    let process_ids = process_ids.iter().map(u32::to_string);
    Command::new("kill").arg("-TERM").args(process_ids).status().await.unwrap();
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
