//! The labels of metrics. Values are `&'static str` where possible, which cannot come from a request. No label names
//! a clinic: thousands of clinics would multiply every series, and the log names the clinic of every request.
#![expect(missing_docs, reason = "the line of a set of labels describes each of them")]

use prometheus_client::encoding::EncodeLabelSet;

macro_rules! labels {
    ($( #[doc = $meaning:literal] $name:ident { $( $label:ident: $kind:ty ),* } )*) => { $(
        #[doc = $meaning]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name { $( pub $label: $kind, )* }
    )* };
}

labels! {
    /// No labels.
    No {}
    /// A build: the version of the product; `standalone`, `ingress`, `worker` or `console`.
    Build { version: &'static str, process: &'static str }
    /// Connections: `idle` or `used`.
    Connections { state: &'static str }
    /// Spans: `taken` or `lost`.
    Exported { result: &'static str }
    /// A route as written in the code, such as `/batch/{batch_id}`; never the path of a request.
    Routed { endpoint: String }
    /// A response: the route as in [`Routed`], and the HTTP status.
    Replied { endpoint: String, status: u16 }
    /// Rows, by the name of the table.
    ByTable { table: &'static str }
    /// An event, by the word of `Kind`.
    ByKind { kind: &'static str }
    /// A queue: `live`, `bulk` or `dead`.
    ByQueue { queue: &'static str }
    /// An unconfirmed message: the queue as in [`ByQueue`], and the word of `PublishError`.
    Refused { queue: &'static str, reason: &'static str }
    /// A request refused for overload, by the exhausted limit: `requests`, `bodies` of batches, or `turns` of batches.
    TurnedAway { full: &'static str }
    /// A result: the word of `Kind`; the word of `Outcome`, or `repeated`.
    Settled { kind: &'static str, outcome: &'static str }
    /// A repeated transaction: `contention`, `unreachable` or `timed_out`.
    Attempted { reason: &'static str }
    /// A dead letter, by the word of `Class`.
    ByClass { class: &'static str }
    /// Open dead letters: the word of `Class`, and the word of `Age`.
    OfLetters { class: &'static str, age: &'static str }
    /// A measurement: `tables` or `queues`.
    Measuring { what: &'static str }
    /// A part of a worker, such as `sweep` or `replay`.
    OfPart { part: &'static str }
    /// A replay job, or a letter in it, by the word of `JobState` or `JobLetterState`.
    Replaying { state: &'static str }
    /// A parked event: `parent` or `attempt`.
    Waits { waiting_for: &'static str }
}
