//! The default, `careq-sync` alone: ingress and worker in one process, on SQLite and its own queue. Beside it the generator's limit:
//! there is no server to compare it with.

use std::time::Instant;

use anyhow::Result;
use tempfile::TempDir;

use super::{Bench, answer, backlog};
use crate::installation::{CLINIC, Credentials};
use crate::load::{self, Requests};
use crate::process::{Process, SETTINGS};
use crate::repeat::{Spread, number};
use crate::report::{Line, Unit};

const TOKEN: &str = "a-token-for-the-bench-with-more-than-32-characters";
const CONNECTIONS: usize = 64;

/// Events for each of those that are sent to the full stack: SQLite has one writer, and each commit waits for the disk.
const SHARE: u64 = 5;

/// Starts it in a folder.
pub(super) async fn start(bench: &Bench, folder: TempDir) -> Result<Process> {
    let clinics = format!("{CLINIC}={TOKEN}");
    let settings: Vec<_> = SETTINGS.into_iter().chain([("CAREQ_CLINICS", clinics.as_str())]).collect();
    Process::start_in(folder, &bench.programs.careq_sync, &[], &settings, "careq-sync takes requests").await
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    // The clinic of CAREQ_CLINICS does not sign; what it is signed with is not looked at.
    let credentials = Credentials { token: TOKEN.to_owned(), signing_secret: String::new() };
    let (mut acknowledged, mut stored, mut peaks, mut loads) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.sizes.repeats {
        let alone = [start(bench, tempfile::tempdir()?).await?];
        let requests = Requests::of(&credentials, 1, bench.sizes.together / SHARE)?;
        let began_at = Instant::now();
        let [process] = &alone;
        let load = load::every_one(&process.address, &requests, CONNECTIONS).await?;
        acknowledged.push(load.per_second());
        backlog::settled(&alone, requests.len() as u64).await?;
        stored.push(number(requests.len()) / began_at.elapsed().as_secs_f64());
        let answering = bench.sizes.answering;
        let requests = Requests::of(&credentials, 2, u64::from(answer::RATE) * answering.as_secs())?;
        loads.push(load::at_rate(&process.address, &requests, answer::RATE, answering).await?);
        peaks.push(process.peak_mb()?);
        let [process] = alone;
        process.stop().await?;
    }
    let mut lines = vec![
        Line::alone(
            format!("acknowledged, {CONNECTIONS} connections"),
            Unit::PerSecond,
            Spread::of(acknowledged),
        ),
        Line::alone(
            format!("sent and stored, {CONNECTIONS} connections"),
            Unit::PerSecond,
            Spread::of(stored),
        ),
    ];
    lines.extend(answer::lines(&loads));
    lines.push(Line::alone("peak of the process", Unit::Megabytes, Spread::of(peaks)));
    Ok(lines)
}
