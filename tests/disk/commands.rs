//! Commands that run next to the service on a failing disk: all or nothing, with an error that says what to do.

use futures_util::future::join_all;

use super::Installation;
use crate::harness::{DiskFault, Process, SEAL_KEYS};

/// Upper bound of the write calls of a command.
const MAX_CALLS: i32 = 60;

#[tokio::test]
async fn a_command_on_a_failing_disk_does_all_or_nothing() {
    join_all(DiskFault::ALL.map(all_or_nothing)).await;
}

async fn all_or_nothing(fault: DiskFault) {
    let installation = Installation::failing("");
    let folder = installation.folder.path().display().to_string();
    let own = [
        ("CAREQ_DATA_DIR", folder.as_str()),
        ("CAREQ_SEAL_KEYS", SEAL_KEYS),
        ("CAREQ_DATABASE_CONNECT_TIMEOUT_S", "1"),
    ];
    let settings: Vec<_> = own.into_iter().chain(installation.disk.settings()).collect();
    assert!(Process::run(&["migrate"], &settings).await.success);
    for succeeding in 0..MAX_CALLS {
        let clinic = format!("clinic_{succeeding}");
        installation.disk.fails_later(fault, succeeding, i32::MAX);
        let ended = Process::run(&["clinic", "add", &clinic, "--api-key"], &settings).await;
        installation.disk.works();
        let clinics = installation.count("careq.db", &format!("clinics WHERE clinic_id = '{clinic}'")).await;
        let secrets =
            installation.count("careq.db", &format!("clinic_credentials WHERE clinic_id = '{clinic}'")).await;
        if ended.success {
            assert_eq!((clinics, secrets), (1, 2), "{fault:?} after {succeeding} calls");
            return;
        }
        // The transaction may be on the disk although the disk returned an error.
        assert!(
            matches!((clinics, secrets), (0, 0) | (1, 2)),
            "{fault:?} after {succeeding} calls: {secrets}"
        );
        let remedy = match fault {
            DiskFault::Full => "free some space",
            DiskFault::Io | DiskFault::Quota | DiskFault::ReadOnly => "system's log",
        };
        assert!(ended.stderr.contains(remedy), "{fault:?} after {succeeding} calls: {}", ended.stderr);
    }
    panic!("the command never succeeds");
}
