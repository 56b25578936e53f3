//! What a person sees while it goes on: a bar on a terminal, a plain line now and then elsewhere. Scripts must never have to
//! read it: the report says everything.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::tally::Live;

/// How often a bar moves.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Says something to a person.
pub type Tell = fn(&str);

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    watching: JoinHandle<()>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows how many of about so many requests have been answered.
    pub(crate) fn watch(live: Arc<Live>, expected: u64, tell: Tell) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { watching: tokio::spawn(lines(live, expected, tell)), bar: None };
        }
        let bar = ProgressBar::new(expected);
        let template = "{bar:40} {pos}/{len} answered, {per_sec}, {msg}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { watching: tokio::spawn(draw(live, bar.clone())), bar: Some(bar) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.watching.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

async fn draw(live: Arc<Live>, bar: ProgressBar) {
    loop {
        let answered = live.answered.load(Ordering::Relaxed);
        bar.set_length(bar.length().unwrap_or_default().max(answered));
        bar.set_position(answered);
        bar.set_message(state(&live));
        tokio::time::sleep(BAR_EVERY).await;
    }
}

async fn lines(live: Arc<Live>, expected: u64, tell: Tell) {
    loop {
        tokio::time::sleep(LINE_EVERY).await;
        let answered = live.answered.load(Ordering::Relaxed);
        tell(&format!("{answered} of about {expected} requests answered, {}", state(&live)));
    }
}

fn state(live: &Live) -> String {
    let retried = live.retried.load(Ordering::Relaxed);
    let checked = live.checked.load(Ordering::Relaxed);
    format!("{retried} retried, {checked} pages checked")
}
