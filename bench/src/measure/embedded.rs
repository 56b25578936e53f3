//! The embedded default: ingress and worker in one process, on SQLite and its own queue. It has no server to compare with.

use std::time::Instant;

use anyhow::Result;
use tempfile::TempDir;

use super::{answer, backlog};
use crate::context::Context;
use crate::load::{self, CLINIC, Credentials, Requests};
use crate::process::{Process, SETTINGS};
use crate::report::line::{Line, Unit};
use crate::statistics::to_f64;

const TOKEN: &str = "a-token-for-the-bench-with-more-than-32-characters";
const CONNECTIONS: usize = 64;

/// Divisor of the number of events of the full stack: SQLite has one writer, and each commit waits for the disk.
const EVENTS_DIVISOR: u64 = 5;

/// Starts the process in a folder.
pub(super) async fn start(context: &Context, folder: TempDir) -> Result<Process> {
    let clinics = format!("{CLINIC}={TOKEN}");
    let settings: Vec<_> = SETTINGS.into_iter().chain([("CAREQ_CLINICS", clinics.as_str())]).collect();
    Process::start(folder, &context.careq_sync, &[], &settings, "careq-sync takes requests").await
}

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    // The clinic of CAREQ_CLINICS has no signing secret, so signatures are ignored.
    let credentials = Credentials { token: TOKEN.to_owned(), signing_secret: String::new() };
    let (mut acknowledged, mut stored, mut peaks, mut loads) = (vec![], vec![], vec![], vec![]);
    for _ in 0..context.repeats {
        let process = start(context, tempfile::tempdir()?).await?;
        let requests = Requests::generate(&credentials, 1, context.together / EVENTS_DIVISOR)?;
        let began_at = Instant::now();
        let load = load::each_once(process.address()?, &requests, CONNECTIONS).await?;
        acknowledged.push(load.per_second());
        backlog::settled(std::slice::from_ref(&process), requests.len() as u64).await?;
        stored.push(to_f64(requests.len()) / began_at.elapsed().as_secs_f64());
        loads.push(answer::load(context, &process, &credentials, 2).await?);
        peaks.push(process.peak_mb()?);
        process.stop().await?;
    }
    let rate = |what, rates: Vec<f64>| {
        Line::single(format!("{what}, {CONNECTIONS} connections"), Unit::PerSecond, rates)
    };
    let mut lines = vec![rate("acknowledged", acknowledged), rate("sent and stored", stored)];
    lines.extend(answer::lines(&loads));
    lines.push(Line::single("peak of the process", Unit::Megabytes, peaks));
    Ok(lines)
}
