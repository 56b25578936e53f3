//! Progress display: a bar on a terminal, otherwise a line every 5 s. Scripts use the report instead.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::tally::LiveCounters;

/// Time between two updates of the bar.
const BAR_INTERVAL: Duration = Duration::from_millis(100);

/// Time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Function that prints a line for a person.
pub type PrintLine = fn(&str);

/// Display that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    task: JoinHandle<()>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows how many of the approximately expected requests have been answered.
    pub(crate) fn watch(live: Arc<LiveCounters>, expected: u64, print: PrintLine) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { task: tokio::spawn(lines(live, expected, print)), bar: None };
        }
        let bar = ProgressBar::new(expected);
        bar.set_style(style());
        Self { task: tokio::spawn(draw(live, expected, bar.clone())), bar: Some(bar) }
    }
}

#[expect(clippy::expect_used, reason = "the template is a constant")]
fn style() -> ProgressStyle {
    let template = "{bar:40} {pos}/{len} answered, {per_sec}, {msg}";
    ProgressStyle::with_template(template).expect("the template is valid")
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

async fn draw(live: Arc<LiveCounters>, expected: u64, bar: ProgressBar) {
    loop {
        let answered = live.answered.load(Ordering::Relaxed);
        bar.set_length(expected.max(answered));
        bar.set_position(answered);
        bar.set_message(state(&live));
        tokio::time::sleep(BAR_INTERVAL).await;
    }
}

async fn lines(live: Arc<LiveCounters>, expected: u64, print: PrintLine) {
    loop {
        tokio::time::sleep(LINE_INTERVAL).await;
        let answered = live.answered.load(Ordering::Relaxed);
        print(&format!("{answered} of about {expected} requests answered, {}", state(&live)));
    }
}

fn state(live: &LiveCounters) -> String {
    let retried = live.retried.load(Ordering::Relaxed);
    let checked = live.checked.load(Ordering::Relaxed);
    format!("{retried} retried, {checked} status pages checked")
}
