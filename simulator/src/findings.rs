//! What is not as it should be: how much of it, and a few sentences to begin looking with. A sentence must never hold
//! more than numbers, kinds and states.

/// Sentences that are kept of each sort.
const SENTENCES: usize = 20;

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
    /// Acknowledged, and gone or stuck.
    pub(crate) fn lost(&mut self, sentence: &str) {
        self.lost += 1;
        self.keep("lost", sentence);
    }

    /// There twice, or there without having been sent.
    pub(crate) fn doubled(&mut self, sentence: &str) {
        self.doubled += 1;
        self.keep("doubled", sentence);
    }

    /// There, and not as it was sent.
    pub(crate) fn wrong(&mut self, sentence: &str) {
        self.wrong += 1;
        self.keep("wrong", sentence);
    }

    /// A page that could not be read, which says nothing of what it is about.
    pub(crate) fn unread(&mut self, sentence: &str) {
        self.unread += 1;
        self.keep("unread", sentence);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.wrong += other.wrong;
        self.unread += other.unread;
        let left = SENTENCES.saturating_sub(self.sentences.len());
        self.sentences.extend(other.sentences.into_iter().take(left));
    }

    fn keep(&mut self, sort: &str, sentence: &str) {
        if self.sentences.len() < SENTENCES {
            self.sentences.push(format!("{sort}: {sentence}"));
        }
    }
}
