//! The arguments of `careq-sync dead-letters`.

use std::path::PathBuf;

use careq_console::ShortId;
use careq_console::jobs::DEFAULT_RATE_PER_SECOND;
use careq_shared::dead_letters::{Class, DeadLetterState};
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::output::Acting;
use super::values;

/// The commands of `careq-sync dead-letters`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Lists dead letters, newest failure first; or with --group, their causes.
    List(List),
    /// Shows one dead letter with its history. Its payload is masked.
    Show(Show),
    /// Replays dead letters, as a job that a worker executes.
    Replay(Replay),
    /// Creates a corrected dead letter, which supersedes the original, and replays it.
    Correct(Correct),
    /// Discards dead letters, with a reason. They stay, and `list --state discarded` lists them.
    Discard(Discard),
    /// Reopens discarded or superseded dead letters, with a reason.
    Reopen(Reopen),
    /// Lists replay jobs; or shows, watches, pauses, resumes or cancels one.
    Jobs {
        #[command(subcommand)]
        command: Option<JobsCommand>,
    },
    /// Lists the entries of the audit log, newest first.
    Audit {
        /// Maximum number of lines.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        limit: u64,
    },
}

/// The filter of dead letters.
#[derive(Debug, Args)]
pub(crate) struct FilterArguments {
    /// Only this clinic.
    #[arg(long, value_name = "ID")]
    pub(crate) clinic: Option<String>,
    /// Only this kind: patient, doctor, service, appointment, status, cancel.
    #[arg(long, value_parser = values::kind)]
    pub(crate) kind: Option<Kind>,
    /// Only the record with this `careq_id`.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) careq_id: Option<i64>,
    /// Only this class: `missing_parent`, conflict, data, exhausted, `crash_loop`, undecodable.
    #[arg(long)]
    pub(crate) class: Option<Class>,
    /// Only this error code of the specification, such as `RECORD_NOT_FOUND`.
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// Only this cause, a fingerprint from `list --group`.
    #[arg(long)]
    pub(crate) fingerprint: Option<String>,
    /// Only failures at this time or later: a time such as 2026-01-31T08:00:00Z, or an age such as 2h.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only failures before this time.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) until: Option<DateTime<Utc>>,
}

/// The dead letters to act on. An empty selection is refused.
#[derive(Debug, Args)]
pub(crate) struct SelectionArguments {
    /// Ids of dead letters; a prefix of at least four characters is enough.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<ShortId>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Every dead letter, instead of a filter.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// State: open, replaying, resolved, discarded, superseded; several with commas; or all.
    #[arg(long, default_value = "open", value_delimiter = ',', value_parser = values::state)]
    pub(crate) state: Vec<Option<DeadLetterState>>,
    /// Lists the causes, the most frequent first.
    #[arg(long)]
    pub(crate) group: bool,
    /// Maximum number of lines.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) limit: u64,
    /// Continues after the page that printed this value.
    #[arg(long, value_name = "NEXT", conflicts_with = "group")]
    pub(crate) after: Option<careq_console::Cursor>,
}

#[derive(Debug, Args)]
#[command(mut_arg("name", |name| name.requires("reveal")))]
pub(crate) struct Show {
    /// Id of the dead letter; a prefix of at least four characters is enough.
    #[arg(value_name = "ID")]
    pub(crate) id: ShortId,
    /// Prints only the payload, unmasked, as a body to correct. This is recorded in the audit log, with the reason.
    #[arg(long, requires = "reason")]
    pub(crate) reveal: bool,
    /// Reason for revealing the payload, for the audit log.
    #[arg(long, requires = "reveal")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Prints the number of matching dead letters, and changes nothing.
    #[arg(long, conflicts_with_all = ["name", "rate", "wait"])]
    pub(crate) dry_run: bool,
    /// Dead letters per second.
    #[arg(long, value_name = "PER_SECOND", default_value_t = DEFAULT_RATE_PER_SECOND)]
    pub(crate) rate: u32,
    /// Waits until every dead letter has an outcome; fails unless all were resolved.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

#[derive(Debug, Args)]
pub(crate) struct Correct {
    /// Id of the dead letter; a prefix of at least four characters is enough.
    #[arg(value_name = "ID")]
    pub(crate) id: ShortId,
    /// The corrected body, as `CareQ` would send it: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) with: PathBuf,
    /// Kind of the record, if the kind of the dead letter is unknown.
    #[arg(long, value_parser = values::kind)]
    pub(crate) kind: Option<Kind>,
    /// Waits for the outcome; fails unless the dead letter was resolved.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

#[derive(Debug, Args)]
pub(crate) struct Discard {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Prints the number of matching dead letters, and changes nothing.
    #[arg(long, conflicts_with_all = ["name", "reason"])]
    pub(crate) dry_run: bool,
    /// Reason, for the audit log.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

#[derive(Debug, Args)]
pub(crate) struct Reopen {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Reason, for the audit log.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// The commands of `careq-sync dead-letters jobs`.
#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// Lists the newest jobs.
    List,
    /// Shows the progress of a job, and the dead letters that failed again or were skipped.
    Show(OneJob),
    /// Follows a job until every dead letter has an outcome; fails unless all were resolved.
    Watch(OneJob),
    /// Pauses a job: no more dead letters are published until it is resumed.
    Pause(ChangedJob),
    /// Resumes a paused job.
    Resume(ChangedJob),
    /// Cancels a job; dead letters without an outcome are open again.
    Cancel(ChangedJob),
}

/// A job.
#[derive(Debug, Args)]
pub(crate) struct OneJob {
    /// Id of the job; a prefix of at least four characters is enough.
    #[arg(value_name = "ID")]
    pub(crate) id: ShortId,
}

/// The job to change.
#[derive(Debug, Args)]
pub(crate) struct ChangedJob {
    #[command(flatten)]
    pub(crate) job: OneJob,
    #[command(flatten)]
    pub(crate) acting: Acting,
}
