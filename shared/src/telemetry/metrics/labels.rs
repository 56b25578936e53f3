//! The labels of metrics. Values are `&'static str` where possible, which cannot come from a request. No label names
//! a clinic: thousands of clinics would multiply every series, and the log names the clinic of every request.

use prometheus_client::encoding::EncodeLabelSet;

macro_rules! labels {
    ($( #[doc = $meaning:literal] $name:ident { $( #[doc = $value:literal] $label:ident: $kind:ty, )* } )*) => { $(
        #[doc = $meaning]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name { $( #[doc = $value] pub $label: $kind, )* }
    )* };
}

labels! {
    /// No labels.
    No {}
    /// Labels of a build.
    Build {
        /// The version of the product.
        version: &'static str,
        /// `standalone`, `ingress`, `worker` or `console`.
        process: &'static str,
    }
    /// Labels of connections.
    Connections {
        /// `idle` or `used`.
        state: &'static str,
    }
    /// Labels of spans.
    Exported {
        /// `taken` or `lost`.
        result: &'static str,
    }
    /// Labels of a route.
    Routed {
        /// The route as written in the code, such as `/batch/{batch_id}`; never the path of a request.
        endpoint: String,
    }
    /// Labels of a response.
    Replied {
        /// As in [`Routed`].
        endpoint: String,
        /// The HTTP status.
        status: u16,
    }
    /// Labels of rows.
    ByTable {
        /// The name of the table.
        table: &'static str,
    }
    /// Labels of an event.
    ByKind {
        /// The word of `Kind`.
        kind: &'static str,
    }
    /// Labels of a queue.
    ByQueue {
        /// `live`, `bulk` or `dead`.
        queue: &'static str,
    }
    /// Labels of an unconfirmed message.
    Refused {
        /// As in [`ByQueue`].
        queue: &'static str,
        /// The word of `PublishError`.
        reason: &'static str,
    }
    /// Labels of a request refused for overload.
    TurnedAway {
        /// The exhausted limit: `requests`, `bodies` of batches, or `turns` of batches.
        full: &'static str,
    }
    /// Labels of a result.
    Settled {
        /// As in [`ByKind`].
        kind: &'static str,
        /// The word of `Outcome`, or `repeated`.
        outcome: &'static str,
    }
    /// Labels of a repeated transaction.
    Attempted {
        /// `contention`, `unreachable` or `timed_out`.
        reason: &'static str,
    }
    /// Labels of a dead letter.
    ByClass {
        /// The word of `Class`.
        class: &'static str,
    }
    /// Labels of open dead letters.
    OfLetters {
        /// The word of `Class`.
        class: &'static str,
        /// The word of `Age`.
        age: &'static str,
    }
    /// Labels of a measurement.
    Measuring {
        /// `tables` or `queues`.
        what: &'static str,
    }
    /// Labels of a part of a worker.
    OfPart {
        /// The part, such as `sweep` or `replay`.
        part: &'static str,
    }
    /// Labels of a replay job, or of a letter in it.
    Replaying {
        /// The word of `JobState` or `JobLetterState`.
        state: &'static str,
    }
    /// Labels of a parked event.
    Waits {
        /// `parent` or `attempt`.
        waiting_for: &'static str,
    }
}
