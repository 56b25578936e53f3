//! The arguments of `careq-sync dead-letters`.

use std::path::PathBuf;

use careq_console::ShortId;
use careq_console::jobs::DEFAULT_RATE_PER_SECOND;
use careq_shared::dead_letters::Class;
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::output::Output;
use super::values::{self, States};

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Lists what needs a person, the last to fail first; or with --group, by cause.
    List(List),
    /// Shows one letter with its history. Its payload is masked.
    Show(Show),
    /// Sends letters through once more, as a job that a worker carries out.
    Replay(Replay),
    /// Replaces a letter's body by a corrected one, and sends that through.
    Correct(Correct),
    /// Gives letters up, with a reason. They stay, and can be found with `list --state discarded`.
    Discard(Discard),
    /// Opens letters again that were discarded or corrected, with a reason.
    Reopen(Reopen),
    /// Lists replay jobs; or shows, watches, pauses, resumes or cancels one.
    Jobs {
        #[command(subcommand)]
        command: Option<JobsCommand>,
        #[command(flatten)]
        output: Output,
    },
    /// Lists who did what with letters and jobs, the newest first.
    Audit(Audit),
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// At most so many lines.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// FilterArguments letters.
#[derive(Debug, Args)]
pub(crate) struct FilterArguments {
    /// Of this clinic.
    #[arg(long, value_name = "ID")]
    pub(crate) clinic: Option<String>,
    /// Of this kind: patient, doctor, service, appointment, status, cancel.
    #[arg(long, value_parser = values::kind)]
    pub(crate) kind: Option<Kind>,
    /// About `CareQ`'s record of this number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) careq_id: Option<i64>,
    /// Dead for this reason: `missing_parent`, conflict, data, exhausted, `crash_loop`, undecodable.
    #[arg(long)]
    pub(crate) class: Option<Class>,
    /// With this code of the specification, such as `RECORD_NOT_FOUND`.
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// Of this cause, as `list --group` names it.
    #[arg(long)]
    pub(crate) fingerprint: Option<String>,
    /// Failed last at this moment or later: a time such as 2026-01-31T08:00:00Z, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Failed last before this moment.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) until: Option<DateTime<Utc>>,
}

/// FilterArguments letters to act on. Nothing is acted on that was not named.
#[derive(Debug, Args)]
pub(crate) struct SelectionArguments {
    /// These letters; the first characters of an id are enough.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<ShortId>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Every letter, instead of naming some.
    #[arg(long)]
    pub(crate) all: bool,
}

/// Who acts, for the audit log.
#[derive(Debug, Args)]
pub(crate) struct ActorName {
    /// Who does this, for the audit log, which names the user of the machine beside.
    #[arg(long = "as", value_name = "NAME", value_parser = values::name)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// In this state: open, replaying, resolved, discarded, superseded; several with commas; or all.
    #[arg(long, default_value = "open")]
    pub(crate) state: States,
    /// By cause, the most frequent first.
    #[arg(long)]
    pub(crate) group: bool,
    /// At most so many lines.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) limit: u64,
    /// The page behind this one, as the page before named it.
    #[arg(long, value_name = "NEXT")]
    pub(crate) after: Option<careq_console::Cursor>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The letter; the first characters of its id are enough.
    #[arg(value_name = "ID")]
    pub(crate) id: ShortId,
    /// Prints the payload alone and in clear, as a body to correct. This is written to the audit log, with the reason.
    #[arg(long, requires = "reason")]
    pub(crate) reveal: bool,
    /// Why the payload is to be shown, for those who ask later.
    #[arg(long, requires = "reveal")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) actor: ActorName,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Says how many letters it would be, and changes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Letters per second.
    #[arg(long, value_name = "PER_SECOND", default_value_t = DEFAULT_RATE_PER_SECOND)]
    pub(crate) rate: u32,
    /// Waits until it is known what became of each letter; fails unless all went through.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) actor: ActorName,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Correct {
    /// The letter; the first characters of its id are enough.
    #[arg(value_name = "ID")]
    pub(crate) id: ShortId,
    /// The corrected body, as `CareQ` would send it: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) with: PathBuf,
    /// FilterArguments of the six kinds, where the letter does not say.
    #[arg(long, value_parser = values::kind)]
    pub(crate) kind: Option<Kind>,
    /// Waits until it is known what became of it; fails unless it went through.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) actor: ActorName,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Discard {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Says how many letters it would be, and changes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why, for those who ask later.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) actor: ActorName,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Reopen {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Why, for those who ask later.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) actor: ActorName,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What to do with replay jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// Lists the newest jobs.
    List(Output),
    /// Shows how far a job is, and which letters failed again or were skipped.
    Show(OneJob),
    /// Follows a job until it is known what became of each letter; fails unless all went through.
    Watch(OneJob),
    /// Publishes no more of a job until it is resumed.
    Pause(OneJob),
    /// Goes on with a paused job.
    Resume(OneJob),
    /// Ends a job; what has no outcome yet is open again.
    Cancel(OneJob),
}

/// The job to look at or to change.
#[derive(Debug, Args)]
pub(crate) struct OneJob {
    /// The job; the first characters of its id are enough.
    #[arg(value_name = "ID")]
    pub(crate) id: ShortId,
    #[command(flatten)]
    pub(crate) actor: ActorName,
    #[command(flatten)]
    pub(crate) output: Output,
}
