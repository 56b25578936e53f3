//! The version of this program, compared with the one in the metrics of the running process.

use careq_shared::config::Config;
use careq_shared::loopback::from_here;

use crate::finding::Finding;
use crate::http;

const OWN: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn examine(config: &Config) -> Vec<Finding> {
    let program = Finding::well("versions.program", format!("this program is careq-sync {OWN}"));
    let address = from_here(config.operations.listen);
    let metrics = if address.port() == 0 { None } else { http::get(address, "/metrics").await.text() };
    let running = metrics.as_deref().and_then(build);
    let running = running.map(|(process, version)| {
        if version == OWN {
            return Finding::well(
                "versions.process",
                format!("the {process} at {address} is careq-sync {version}"),
            );
        }
        Finding::warning(
            "versions.differ",
            format!("the {process} at {address} is careq-sync {version}, this is {OWN}"),
        )
        .means("either an upgrade is under way, or a process was not restarted after one")
        .remedy(format!("restart the {process} with the program that is meant to run"))
    });
    std::iter::once(program).chain(running).collect()
}

/// The process and its version, from `careq_sync_build_info{version="…",process="…"} 1`.
fn build(metrics: &str) -> Option<(&str, &str)> {
    let line = metrics.lines().find(|line| line.starts_with("careq_sync_build_info{"))?;
    let label = |name: &str| line.split(&format!("{name}=\"")).nth(1)?.split('"').next();
    Some((label("process")?, label("version")?))
}

#[cfg(test)]
mod tests {
    use super::build;

    #[test]
    fn the_build_is_read_from_the_metrics() {
        let exposition = "# TYPE careq_sync_build_info gauge\ncareq_sync_build_info{version=\"0.1.0\",process=\"ingress\"} \
                          1\n";
        assert_eq!(build(exposition), Some(("ingress", "0.1.0")));
        assert_eq!(build("up 1\n"), None);
    }
}
