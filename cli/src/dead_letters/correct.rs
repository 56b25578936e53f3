//! `dead-letters correct`: replaces the body of a dead letter and replays it. The body is not printed.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use careq_console::ShortId;
use careq_console::dead_letters::{self, Correction};
use careq_shared::json::Document;

use super::context::{Context, actor, show_as};
use super::progress;
use crate::arguments::dead_letters::Correct;

pub(super) async fn run(context: &Context<'_>, correct: Correct) -> Result<()> {
    let (database, seal) = (&context.database, &context.seal()?);
    let body = Document::parse(&bytes(&correct.with)?)
        .with_context(|| format!("{} cannot be used", correct.with.display()))?;
    let id = dead_letters::find(database, correct.id).await?;
    let correction = Correction { body, kind: correct.kind, limits: context.config.ingress.record_limits() };
    let corrected = dead_letters::correct(database, seal, &actor(correct.actor), id, correction).await?;
    if correct.wait {
        return progress::wait(database, corrected.job.id, correct.output).await;
    }
    show_as(correct.output, &corrected, || {
        let (letter, job) = (ShortId::of(corrected.letter_id), ShortId::of(corrected.job.id));
        format!("The correction is dead letter {letter}; job {job} sends it through.")
    })
}

fn bytes(file: &Path) -> Result<Vec<u8>> {
    /// The default limit of a webhook. Standard input may be endless.
    const MAX_BYTES: u64 = 1_048_576;
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(MAX_BYTES).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(bytes)
}
