//! Processes of a trial's installation, and their settings.

use crate::harness::{Ended, Process, SEAL_KEYS, until};
use crate::servers::free_port;

/// Token of the clinic whose events probe the installation.
pub(crate) const TOKEN: &str = "a-token-of-the-probing-clinic-of-32-characters";

/// Clinics of the simulator, with their tokens.
pub(crate) const SIMULATED: &str =
    "sim_a=a-token-of-the-first-simulated-clinic-of-32,sim_b=a-token-of-the-second-simulated-clinic-of-32";

/// An ingress, or all parts in one process, with its address.
pub(crate) struct Ingress {
    pub(crate) process: Process,
    settings: Vec<(String, String)>,
    address: String,
}

impl Ingress {
    pub(crate) async fn start(
        arguments: &[&str],
        common: &[(String, String)],
        extra: &[(&str, &str)],
    ) -> Self {
        // The port stays the same when the process is started again.
        let address = format!("127.0.0.1:{}", free_port());
        let mut settings = common.to_vec();
        settings.push(("CAREQ_INGRESS_LISTEN".to_owned(), address.clone()));
        let process = start(arguments, &settings, extra);
        is_taking_requests(&process).await;
        Self { process, settings, address }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Stops the process and starts it again; returns how it ended.
    pub(crate) async fn restarted(self, arguments: &[&str]) -> (Ended, Self) {
        let ended = self.process.stop().await;
        let process = start(arguments, &self.settings, &[]);
        is_taking_requests(&process).await;
        (ended, Self { process, ..self })
    }

    /// Starts a process that has ended again; returns the ended one.
    pub(crate) async fn start_again(&mut self, arguments: &[&str], extra: &[(&str, &str)]) -> Process {
        let ended = std::mem::replace(&mut self.process, start(arguments, &self.settings, extra));
        is_taking_requests(&self.process).await;
        ended
    }
}

async fn is_taking_requests(process: &Process) {
    until(&format!("requests are taken; it has logged:\n{}", process.stderr()), || async {
        process.stderr().contains("takes requests").then_some(())
    })
    .await;
}

/// Settings of every process of the installation.
pub(crate) fn settings(own: &[(&str, String)], extra: &[(&str, &str)]) -> Vec<(String, String)> {
    let clinics = format!("probe={TOKEN},{SIMULATED}");
    let common = [
        ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
        ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
        // All connections come from this machine.
        ("CAREQ_INGRESS_MAX_CONNECTIONS_PER_ADDRESS", "0"),
        ("CAREQ_CLINICS", clinics.as_str()),
        ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1"),
        ("CAREQ_LOG_FORMAT", "json"),
        ("CAREQ_SEAL_KEYS", SEAL_KEYS),
    ];
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let all = common.into_iter().chain(own).chain(extra.iter().copied());
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Starts a process of `careq-sync`.
pub(crate) fn start(arguments: &[&str], settings: &[(String, String)], extra: &[(&str, &str)]) -> Process {
    let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Process::start(arguments, &settings.chain(extra.iter().copied()).collect::<Vec<_>>())
}
