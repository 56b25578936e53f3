//! `dead-letters correct`: a body that a person has mended goes in as if CareQ had sent it. It must never be echoed.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use careq_console::ShortId;
use careq_console::dead_letters::{self, Correction};
use careq_shared::json::Document;

use super::arguments::Correct;
use super::{Operations, actor, progress, show_as};

pub(super) async fn run(operations: &Operations<'_>, correct: Correct) -> Result<()> {
    let (database, seal) = (&operations.database, &operations.seal()?);
    let body = Document::parse(&bytes(&correct.with)?)
        .with_context(|| format!("{} cannot be used", correct.with.display()))?;
    let id = dead_letters::find(database, correct.id).await?;
    let correction =
        Correction { body, kind: correct.kind, limits: operations.config.ingress.record_limits() };
    let corrected = dead_letters::correct(database, seal, &actor(correct.named), id, correction).await?;
    if correct.wait {
        return progress::to_the_end(database, corrected.job.id, correct.output).await;
    }
    show_as(correct.output, &corrected, || {
        let (letter, job) = (ShortId::of(corrected.letter_id), ShortId::of(corrected.job.id));
        format!("The correction is dead letter {letter}; job {job} sends it through.")
    })
}

fn bytes(file: &Path) -> Result<Vec<u8>> {
    /// As large as a webhook may be; whatever is on standard input must not fill the memory.
    const LARGEST: u64 = 1_048_576;
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(LARGEST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(LARGEST).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(bytes)
}
