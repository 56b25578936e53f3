//! Processes of a trial's installation, and their settings.

use std::num::NonZero;

use careq_shared::broker::partition::for_clinic;

use crate::harness::{Ended, Process, SEAL_KEYS, until};
use crate::servers::free_port;

/// Token of the clinic `probe`, which sends batches.
pub(crate) const TOKEN: &str = "a-token-of-the-probing-clinic-of-32-characters";

/// A clinic with its token.
#[derive(Debug, Clone)]
pub(crate) struct Clinic {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// Clinics of the simulator, one in each partition.
pub(crate) fn simulated(partitions: NonZero<u16>) -> Vec<Clinic> {
    one_in_each_partition("sim", partitions)
}

/// Clinics whose events probe the installation, one in each partition, in the order of the partitions.
pub(crate) fn probes(partitions: NonZero<u16>) -> Vec<Clinic> {
    one_in_each_partition("probe", partitions)
}

fn one_in_each_partition(name: &str, partitions: NonZero<u16>) -> Vec<Clinic> {
    let in_partition = |partition| {
        let mut ids = (0..u32::MAX).map(|number| format!("{name}_{number}"));
        let id = ids.find(|id| for_clinic(id, partitions) == partition).expect("a partition has clinics");
        let token = format!("a-token-of-{id}-with-more-than-32-characters");
        Clinic { id, token }
    };
    (0..partitions.get()).map(in_partition).collect()
}

/// Clinics as the setting `clinics` lists them.
pub(crate) fn seeds(clinics: &[Clinic]) -> String {
    clinics.iter().map(|Clinic { id, token }| format!("{id}={token}")).collect::<Vec<_>>().join(",")
}

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
pub(crate) fn settings(
    partitions: NonZero<u16>,
    own: &[(&str, String)],
    extra: &[(&str, &str)],
) -> Vec<(String, String)> {
    let clinics = [probes(partitions), simulated(partitions)].concat();
    let clinics = format!("probe={TOKEN},{}", seeds(&clinics));
    let partitions = partitions.to_string();
    let common = [
        ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
        ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
        // All connections come from this machine.
        ("CAREQ_INGRESS_MAX_CONNECTIONS_PER_ADDRESS", "0"),
        ("CAREQ_CLINICS", clinics.as_str()),
        ("CAREQ_BROKER_PARTITIONS", partitions.as_str()),
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
