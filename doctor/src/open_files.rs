//! The limit of open files, compared with the connections that the settings allow. The limit is the shell's; a service has its own.

use careq_shared::config::Config;
use rustix::process::{Resource, getrlimit};

use crate::finding::Finding;

/// Connections of the operations port, and the files that a process always has open.
const OTHER_FILES: u64 = 640;

pub(crate) fn examine(config: &Config) -> Vec<Finding> {
    let connections = u64::try_from(config.ingress.max_connections).unwrap_or(u64::MAX);
    let wanted = connections
        .saturating_add(3 * u64::from(config.database.max_connections))
        .saturating_add(OTHER_FILES);
    let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < wanted) else {
        return vec![Finding::well(
            "open_files.well",
            format!("the settings want at most {wanted} open files"),
        )];
    };
    vec![
        Finding::warning(
            "open_files.few",
            format!("a process of this shell may open {limit} files, and the settings want {wanted}"),
        )
        .means("an ingress with this limit accepts no more connections once it is reached")
        .remedy(format!(
            "raise the limit (LimitNOFILE={wanted} in a systemd unit, `ulimit -n {wanted}` in a shell), or set \
             ingress.max_connections to less"
        )),
    ]
}
