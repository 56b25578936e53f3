//! The labels of metrics. A value is one of our own words wherever its type can say so: `&'static str` cannot come from a request.
//! No label may name a clinic: an installation may have thousands, and each would multiply the series of every metric that had it;
//! the log has the clinic of every request.

use prometheus_client::encoding::EncodeLabelSet;

macro_rules! labels {
    ($( #[doc = $meaning:literal] $name:ident { $( #[doc = $value:literal] $label:ident: $kind:ty, )* } )*) => { $(
        #[doc = $meaning]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name { $( #[doc = $value] pub $label: $kind, )* }
    )* };
}

labels! {
    /// Where there is one of it.
    No {}
    /// Of a build.
    Build {
        /// Of the product.
        version: &'static str,
        /// `standalone`, `ingress`, `worker` or `console`.
        process: &'static str,
    }
    /// Of connections.
    Connections {
        /// `idle` or `used`.
        state: &'static str,
    }
    /// Of spans.
    Exported {
        /// `taken` or `lost`.
        result: &'static str,
    }
    /// Of a route.
    Routed {
        /// The route as it is written in the code, such as `/batch/{batch_id}`: never a path that was sent.
        endpoint: String,
    }
    /// Of an answer.
    Replied {
        /// As in [`Routed`].
        endpoint: String,
        /// The HTTP status, of those that we answer.
        status: u16,
    }
    /// Of rows.
    ByTable {
        /// As it is called in the database.
        table: &'static str,
    }
    /// Of an event.
    ByKind {
        /// The word of `Kind`.
        kind: &'static str,
    }
    /// Of a queue.
    ByQueue {
        /// `live`, `bulk` or `dead`.
        queue: &'static str,
    }
    /// Of a message that was not confirmed.
    Refused {
        /// As in [`ByQueue`].
        queue: &'static str,
        /// `disconnected`, `timed_out`, `refused` or `unroutable`.
        reason: &'static str,
    }
    /// Of a request that was too much.
    TurnedAway {
        /// What is full: `requests`, `bodies` of batches, or `turns` of batches.
        full: &'static str,
    }
    /// Of a result.
    Settled {
        /// As in [`ByKind`].
        kind: &'static str,
        /// The word of `Outcome`, or `repeated`.
        outcome: &'static str,
    }
    /// Of a transaction that begins anew.
    Attempted {
        /// `contention`, `unreachable` or `timed_out`.
        reason: &'static str,
    }
    /// Of a dead letter.
    ByClass {
        /// The word of `Class`.
        class: &'static str,
    }
    /// Of dead letters.
    OfLetters {
        /// The word of `Class`.
        class: &'static str,
        /// The word of `Age`.
        age: &'static str,
    }
    /// Of a look at what all processes share.
    Measuring {
        /// `tables` or `queues`.
        what: &'static str,
    }
    /// Of a part of a worker.
    OfPart {
        /// `lane`, `sweep` or `replay`.
        part: &'static str,
    }
    /// Of a replay job, or of a letter in one.
    Replaying {
        /// The word of `JobState` or `JobLetterState`.
        state: &'static str,
    }
    /// Of a parked event.
    Waits {
        /// `parent` or `attempt`.
        waiting_for: &'static str,
    }
}
