//! Findings of a run: counts of each sort, and a few sentences to start an investigation with. Sentences contain only numbers,
//! kinds and states, no data of a record.

/// Sentences that are kept.
const MAX_SENTENCES: usize = 20;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) wrong: u64,
    pub(crate) unread: u64,
    pub(crate) sentences: Vec<String>,
}

impl Findings {
    /// Counts an acknowledged event or record that is missing or stuck.
    pub(crate) fn lost(&mut self, sentence: &str) {
        self.lost += 1;
        self.add_sentence("lost", sentence);
    }

    /// Counts something that exists twice, or that was not sent.
    pub(crate) fn doubled(&mut self, sentence: &str) {
        self.doubled += 1;
        self.add_sentence("doubled", sentence);
    }

    /// Counts something that exists but differs from what was sent.
    pub(crate) fn wrong(&mut self, sentence: &str) {
        self.wrong += 1;
        self.add_sentence("wrong", sentence);
    }

    /// Counts a status page that could not be read, so that nothing is known about its event or record.
    pub(crate) fn unread(&mut self, sentence: &str) {
        self.unread += 1;
        self.add_sentence("unread", sentence);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.wrong += other.wrong;
        self.unread += other.unread;
        let left = MAX_SENTENCES.saturating_sub(self.sentences.len());
        self.sentences.extend(other.sentences.into_iter().take(left));
    }

    fn add_sentence(&mut self, sort: &str, sentence: &str) {
        if self.sentences.len() < MAX_SENTENCES {
            self.sentences.push(format!("{sort}: {sentence}"));
        }
    }
}
