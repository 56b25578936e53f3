//! Faults under load: servers and processes are killed, stopped, blocked or cut off while the simulator sends webhooks.
//! Afterwards every acknowledged event must be stored once and unchanged. The faults run one at a time.
//!
//! `cargo test --test faults -- broker` runs the faults with that word in their names. `--long` runs longer and writes
//! `docs/faults.md`; `--seed N` uses another seed.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the table is the program's output")]

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the other test program uses the rest")]
mod harness;

mod document;
mod evidence;

#[expect(dead_code, reason = "the other test program uses the rest")]
mod servers;

mod load;
mod processes;
mod proxy;

mod trial;

mod judgement;

mod table;

mod crashes;

mod broker;

mod database;

mod network;

mod operations;

mod pressure;

mod disk;

mod backlog;

mod batches;

mod memory;

mod partitions;

use std::num::NonZero;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use load::Load;
use servers::Servers;
use table::Row;

/// Partitions of every installation: in the short form few, because each fault creates and deletes two queues for each
/// partition; in the long form the default.
const PARTITIONS: [u16; 2] = [4, 16];

/// Length of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// As part of `make test`.
    Short,
    /// As `make faults`.
    Long,
}

type Run = dyn for<'run> Fn(&'run mut Servers, Play) -> LocalBoxFuture<'run, Row>;

/// One fault of the suite.
pub(crate) struct Fault {
    name: String,
    /// The shortest form that includes the fault.
    from: Form,
    run: Box<Run>,
}

/// Form and seed with which a fault is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Play {
    pub(crate) form: Form,
    pub(crate) seed: u64,
}

impl Play {
    /// A load of about `seconds` in the short form, and five times as long in the long form.
    pub(crate) fn load(self, seconds: u64) -> Load {
        let (rate_per_second, seconds) = self.choose((150, seconds), (300, seconds * 5));
        let events = u64::from(rate_per_second) * seconds;
        let [few, many] = PARTITIONS.map(|partitions| NonZero::new(partitions).unwrap());
        let partitions = self.choose(few, many);
        Load { seed: self.seed, events, rate_per_second: Some(rate_per_second), partitions }
    }

    /// The first value in the short form, the second one in the long form.
    pub(crate) fn choose<T>(self, short: T, long: T) -> T {
        if self.form == Form::Long { long } else { short }
    }
}

/// A fault with its name and its procedure.
pub(crate) fn fault<F>(name: &str, run: F) -> Fault
where
    F: for<'run> Fn(&'run mut Servers, Play) -> LocalBoxFuture<'run, Row> + 'static,
{
    Fault { name: name.to_owned(), from: Form::Short, run: Box::new(run) }
}

impl Fault {
    /// Includes the fault in the long form only, because it takes long or is similar to another one.
    pub(crate) fn in_the_long_form(self) -> Self {
        Self { from: Form::Long, ..self }
    }
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(suite(&Wanted::from_arguments(std::env::args().skip(1))))
}

/// Command-line arguments.
struct Wanted {
    form: Form,
    /// Seed of the first fault; each further fault has the next number.
    seed: u64,
    /// Words that a fault's name must contain.
    words: Vec<String>,
}

impl Wanted {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut wanted = Self { form: Form::Short, seed: 1, words: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--long" => wanted.form = Form::Long,
                "--seed" => {
                    let number = arguments.next().and_then(|number| number.parse().ok());
                    wanted.seed = number.expect("--seed takes a number");
                }
                "--test-threads" | "--skip" => drop(arguments.next()),
                // Options of other test programs are ignored.
                option if option.starts_with('-') => {}
                _ => wanted.words.push(argument),
            }
        }
        wanted
    }

    fn faults(&self) -> Vec<Fault> {
        let all = [
            crashes::all(),
            broker::all(),
            database::all(),
            network::all(),
            operations::all(),
            pressure::all(),
            backlog::all(),
            disk::all(),
            // Appended at the end, so that the seeds of the other faults stay the same.
            memory::all(),
            database::failover(),
            partitions::all(),
        ];
        let is_named = |fault: &Fault| self.words.iter().all(|word| fault.name.contains(word.as_str()));
        all.into_iter().flatten().filter(|fault| fault.from <= self.form && is_named(fault)).collect()
    }
}

/// Plays a fault. Returns `None` if it panics or exceeds its time, so that the other faults are still played.
async fn to_its_end(fault: &Fault, servers: &mut Servers, play: Play) -> Option<Row> {
    let timeout = play.choose(Duration::from_mins(5), Duration::from_mins(25));
    let run = AssertUnwindSafe((fault.run)(servers, play)).catch_unwind();
    let Ok(ended) = tokio::time::timeout(timeout, run).await else {
        println!("{}: it did not finish within {timeout:?}", fault.name);
        return None;
    };
    ended.ok()
}

async fn other_servers() -> Option<Servers> {
    let starting = AssertUnwindSafe(Servers::start()).catch_unwind();
    let started = tokio::time::timeout(Duration::from_mins(5), starting).await.ok().and_then(Result::ok);
    if started.is_none() {
        println!("no other servers can be started; the remaining faults are not played");
    }
    started
}

async fn suite(wanted: &Wanted) -> ExitCode {
    let faults = wanted.faults();
    if faults.is_empty() {
        println!("0 passed, 0 failed");
        return ExitCode::SUCCESS;
    }
    let mut servers = Servers::start().await;
    let mut rows = Vec::new();
    println!("{}", table::HEADING);
    for (fault, seed) in faults.iter().zip(wanted.seed..) {
        let began_at = Instant::now();
        let play = Play { form: wanted.form, seed };
        let ended = to_its_end(fault, &mut servers, play).await;
        let has_ended = ended.is_some();
        let row = ended.unwrap_or_else(Row::without_result);
        println!("{} in {:.0} s", row.line(&fault.name, seed), began_at.elapsed().as_secs_f64());
        rows.push((fault.name.as_str(), seed, row));
        // A fault without a result leaves the servers in an unknown state.
        if !has_ended {
            let Some(others) = other_servers().await else { break };
            servers = others;
        }
    }
    let failed = rows.iter().filter(|(_, _, row)| !row.has_passed()).count();
    println!("\nfaults: {} passed, {failed} failed", rows.len() - failed);
    if wanted.form == Form::Long && wanted.words.is_empty() {
        let written = document::write(&rows, failed == 0);
        println!("the table is in {}", written.display());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
