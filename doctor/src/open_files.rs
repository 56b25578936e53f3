//! The limit of open files beside the connections that the settings allow. It is this shell's: a service has its own.

use careq_shared::config::Config;
use rustix::process::{Resource, getrlimit};

use crate::finding::Finding;

/// What the operations port allows, and what a process has open anyway.
const BESIDES: u64 = 640;

pub(crate) fn examine(config: &Config) -> Vec<Finding> {
    let connections = u64::try_from(config.ingress.max_connections).unwrap_or(u64::MAX);
    let wanted =
        connections.saturating_add(3 * u64::from(config.database.max_connections)).saturating_add(BESIDES);
    let Some(most) = getrlimit(Resource::Nofile).current.filter(|most| *most < wanted) else {
        return vec![Finding::well(
            "open_files.well",
            format!("the settings want at most {wanted} open files"),
        )];
    };
    vec![
        Finding::warning(
            "open_files.few",
            format!("a process of this shell may open {most} files, and the settings want {wanted}"),
        )
        .means("an ingress that is started so takes no more connections when it has used them up")
        .remedy(format!(
            "raise the limit (LimitNOFILE={wanted} in a systemd unit, `ulimit -n {wanted}` in a shell), or set \
             ingress.max_connections to less"
        )),
    ]
}
