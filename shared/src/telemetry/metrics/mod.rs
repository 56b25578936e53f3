//! Every metric, with its name, its labels and its meaning. Dashboards and alerts are checked against this list.
//! Labels hold no value that a request or a clinic can choose.
//!
//! Units are in the names (`_seconds`), counters end in `_total`; a histogram has `_bucket`, `_sum` and `_count`. A
//! metric without a known value has no sample, so that no outdated value is shown.

mod activity;
mod in_hand;
mod labels;

use std::sync::LazyLock;
use std::time::Duration;

use chrono::DateTime;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::broker::port::{PublishError, Queue};
use crate::clock;
use crate::dead_letters::state::Class;
use activity::Activity;
pub use activity::InFlight;
pub use in_hand::Batch as InHandBatch;
use in_hand::InHand;
pub use labels::{
    Attempted, Build, ByClass, ByKind, ByQueue, ByTable, Connections, Exported, Measuring, No, OfLetters,
    OfPart, Refused, Replaying, Replied, Routed, Settled, TurnedAway, Waits,
};

/// The `Content-Type` of [`Metrics::exposition`].
pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

type Counters<L> = Family<L, Counter>;
type Gauges<L> = Family<L, Gauge>;
type Seconds<L> = Family<L, Gauge<f64, std::sync::atomic::AtomicU64>>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

macro_rules! metrics {
    ($( #[doc = $meaning:literal] $field:ident: $kind:ty = $make:expr, $name:literal; )*) => {
        /// The metrics of this process.
        #[derive(Debug)]
        pub struct Metrics {
            $( #[doc = $meaning] pub $field: $kind, )*
            /// The batches in progress of this process's workers.
            pub in_hand: InHand,
            /// The transactions that this process's workers repeat, by the time of the first failure.
            pub repeating: InHand,
            /// The work for this process's row in `processes`.
            pub activity: Activity,
            registry: Registry,
        }

        /// The exposed name of every metric.
        pub const LIST: &[&str] = &[ $( $name, )* ];

        impl Metrics {
            fn new() -> Self {
                let mut registry = Registry::default();
                $(
                    let $field: $kind = $make;
                    // The library itself appends _total to a counter's name, and a full stop to a description.
                    let name = $name.strip_suffix("_total").unwrap_or($name);
                    registry.register(name, $meaning.trim_ascii(), $field.clone());
                )*
                let (in_hand, repeating, activity) = Default::default();
                Self { $( $field, )* in_hand, repeating, activity, registry }
            }
        }
    };
}

metrics! {
    // The process.
    /// 1, with the version and what the process is
    build_info: Gauges<Build> = Family::default(), "careq_sync_build_info";
    /// Start time of the process, in seconds since 1970
    started_at: Seconds<No> = Family::default(), "careq_sync_process_start_time_seconds";
    /// 1 while /readyz says ready, 0 while it does not
    ready: Gauges<No> = Family::default(), "careq_sync_ready";
    /// 1 while the database answers, 0 while it does not
    database_up: Gauges<No> = Family::default(), "careq_sync_database_up";
    /// 1 while messages can be published to the broker, 0 while they cannot
    broker_up: Gauges<No> = Family::default(), "careq_sync_broker_up";
    /// Open connections of the process to the database, idle and used
    database_connections: Gauges<Connections> = Family::default(), "careq_sync_database_connections";
    /// The most connections that the process may open to the database
    max_database_connections: Gauges<No> = Family::default(), "careq_sync_database_connections_max";
    /// Spans that were exported or lost, by result; spans dropped before the export queue are not counted
    exported_spans: Counters<Exported> = Family::default(), "careq_sync_exported_spans_total";

    // Requests to the ingress and to the admin API.
    /// Responses by route and HTTP status; the endpoint is empty for a path without a route
    answers: Counters<Replied> = Family::default(), "careq_sync_answers_total";
    /// Time from a request's header section to its response, by route
    answer_duration: Histograms<Routed> = Family::new_with_constructor(short_durations), "careq_sync_answer_duration_seconds";
    /// Requests whose client disconnected before the response
    abandoned_requests: Counters<No> = Family::default(), "careq_sync_abandoned_requests_total";

    // The ingress.
    /// Time of the last read of the clinics, in seconds since 1970; absent before the first
    clinics_read_at: Seconds<No> = Family::default(), "careq_sync_clinics_read_timestamp_seconds";
    /// Enabled clinics that are refused, because their secrets or settings cannot be read
    refused_clinics: Gauges<No> = Family::default(), "careq_sync_refused_clinics";
    /// Requests that were answered 429, of all clinics together
    rate_limited_requests: Counters<No> = Family::default(), "careq_sync_rate_limited_requests_total";
    /// Requests answered 503 for overload, by exhausted limit: requests, bodies of batches, or turns of batches
    turned_away_requests: Counters<TurnedAway> = Family::default(), "careq_sync_turned_away_requests_total";
    /// Events that the broker confirmed in time, by kind; each record of a batch is an event
    accepted_events: Counters<ByKind> = Family::default(), "careq_sync_accepted_events_total";
    /// Time from publishing a message to its confirm, by queue
    confirm_duration: Histograms<ByQueue> = Family::new_with_constructor(short_durations), "careq_sync_confirm_duration_seconds";
    /// Messages that the broker did not confirm, by queue and reason
    unconfirmed_messages: Counters<Refused> = Family::default(), "careq_sync_unconfirmed_messages_total";

    // The worker.
    /// Results by kind and outcome: created, updated, unchanged, waiting, retrying, failed, or repeated for a duplicate
    results: Counters<Settled> = Family::default(), "careq_sync_results_total";
    /// Time from an event's acceptance to its final outcome, by kind, without replayed events
    settling_duration: Histograms<ByKind> = Family::new_with_constructor(long_durations), "careq_sync_event_settling_duration_seconds";
    /// Messages in a batch, by queue
    batch_messages: Histograms<ByQueue> = Family::new_with_constructor(sizes), "careq_sync_batch_messages";
    /// Time from receiving a batch until its results are committed and sent, by queue
    batch_duration: Histograms<ByQueue> = Family::new_with_constructor(short_durations), "careq_sync_batch_duration_seconds";
    /// Age of the oldest event that this worker has received and not settled; 0 without events
    oldest_in_hand: Seconds<No> = Family::default(), "careq_sync_oldest_unprocessed_age_seconds";
    /// Age of the transaction that this worker has repeated for the longest time; 0 while all succeed
    longest_repeat: Seconds<No> = Family::default(), "careq_sync_repeated_transaction_age_seconds";
    /// Further attempts of events that have failed or were isolated
    retried_events: Counters<No> = Family::default(), "careq_sync_retried_events_total";
    /// Repeated transactions, by reason: contention, an unreachable database, or a timeout
    repeated_transactions: Counters<Attempted> = Family::default(), "careq_sync_repeated_transactions_total";
    /// Age at which an event that waits for its parent becomes a dead letter (`worker.parent_timeout_s`)
    parked_age_limit: Seconds<No> = Family::default(), "careq_sync_parked_age_limit_seconds";
    /// Parts of a worker that panicked and were restarted: a consumer, the assignment, the sweep, the replays, the retention
    restarted_parts: Counters<OfPart> = Family::default(), "careq_sync_restarted_parts_total";
    /// Failures written to dead letters, by class; every failure of a letter counts, a duplicate delivery does not
    buried: Counters<ByClass> = Family::default(), "careq_sync_written_dead_letters_total";
    /// Expired rows that this worker has deleted, by table (`[retention]`)
    pruned_rows: Counters<ByTable> = Family::default(), "careq_sync_pruned_rows_total";

    // Shared state, which each process measures for itself (`telemetry.measure_interval_s`).
    /// Time of the last successful measurement of tables and queues, in seconds since 1970
    measured_at: Seconds<Measuring> = Family::default(), "careq_sync_measured_timestamp_seconds";
    /// Messages that no worker has received, by queue, in all partitions
    queue_messages: Gauges<ByQueue> = Family::default(), "careq_sync_queue_messages";
    /// Messages that no worker has received, by queue, in the partition that has most
    max_partition_messages: Gauges<ByQueue> = Family::default(), "careq_sync_partition_messages_max";
    /// Partitions that this worker's consumers are assigned
    assigned_partitions: Gauges<No> = Family::default(), "careq_sync_assigned_partitions";
    /// Assigned partitions whose queue cannot be read, by queue
    unusable_partitions: Gauges<ByQueue> = Family::default(), "careq_sync_unusable_partitions";
    /// Parked events, by reason: a missing parent, or another attempt
    parked_events: Gauges<Waits> = Family::default(), "careq_sync_parked_events";
    /// Age of the oldest parked event, by reason; 0 without events
    oldest_parked: Seconds<Waits> = Family::default(), "careq_sync_oldest_parked_age_seconds";
    /// Dead letters that wait for a person, by class and age: less than an hour, a day, a week, or older
    dead_letters: Gauges<OfLetters> = Family::default(), "careq_sync_dead_letters";
    /// Replay jobs by state: running, paused, cancelled, finished
    replay_jobs: Gauges<Replaying> = Family::default(), "careq_sync_replay_jobs";
    /// Unfinished letters of running and paused replay jobs: pending, published, or waiting
    replay_letters: Gauges<Replaying> = Family::default(), "careq_sync_replay_letters";
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METRICS
}

impl Metrics {
    /// Records which process this is.
    pub(super) fn began(&self, process: &'static str) {
        let version = env!("CARGO_PKG_VERSION");
        self.build_info.get_or_create(&Build { version, process }).set(1);
        self.started_at.get_or_create(&No {}).set(unix_time());
    }

    /// Records that an ingress runs here, and sets its counters to 0. Without it, Prometheus would not count the
    /// first event of a kind as an increase.
    pub fn ingress_begins(&self) {
        for queue in [Queue::Live, Queue::Bulk].map(Queue::as_str) {
            for reason in PublishError::ALL.map(PublishError::as_str) {
                self.unconfirmed_messages.get_or_create(&Refused { queue, reason }).inc_by(0);
            }
        }
        for full in ["requests", "bodies", "turns"] {
            self.turned_away_requests.get_or_create(&TurnedAway { full }).inc_by(0);
        }
        self.abandoned_requests.get_or_create(&No {}).inc_by(0);
        self.rate_limited_requests.get_or_create(&No {}).inc_by(0);
    }

    /// Records that a worker runs here, and sets its counters to 0.
    pub fn worker_begins(&self, parent_timeout: Duration) {
        self.in_hand.begin();
        self.repeating.begin();
        self.parked_age_limit.get_or_create(&No {}).set(parent_timeout.as_secs_f64());
        self.retried_events.get_or_create(&No {}).inc_by(0);
        self.pruned_rows.get_or_create(&ByTable { table: "events" }).inc_by(0);
        for part in ["assignment", "consumer", "sweep", "replay", "retention"] {
            self.restarted_parts.get_or_create(&OfPart { part }).inc_by(0);
        }
        for queue in ["bulk", "dead", "live"] {
            self.unusable_partitions.get_or_create(&ByQueue { queue }).set(0);
        }
        for reason in ["contention", "unreachable", "timed_out"] {
            self.repeated_transactions.get_or_create(&Attempted { reason }).inc_by(0);
        }
        for class in Class::ALL {
            self.buried.get_or_create(&ByClass { class: class.as_str() }).inc_by(0);
        }
    }

    /// Records that an ingress has read the clinics, and how many enabled clinics it must refuse.
    pub fn clinics_were_read(&self, refused: usize) {
        self.clinics_read_at.get_or_create(&No {}).set(unix_time());
        self.refused_clinics.get_or_create(&No {}).set(i64::try_from(refused).unwrap_or(i64::MAX));
    }

    /// Removes the values of tables that cannot be read.
    pub(super) fn forget_tables(&self) {
        self.parked_events.clear();
        self.oldest_parked.clear();
        self.dead_letters.clear();
        self.replay_jobs.clear();
        self.replay_letters.clear();
    }

    /// Records a successful measurement.
    pub(super) fn measured(&self, what: &'static str) {
        self.measured_at.get_or_create(&Measuring { what }).set(unix_time());
    }

    /// Every known value, in Prometheus's text format 0.0.4.
    pub fn exposition(&self) -> String {
        if let Some(age) = self.in_hand.oldest_age() {
            self.oldest_in_hand.get_or_create(&No {}).set(age.as_secs_f64());
        }
        if let Some(age) = self.repeating.oldest_age() {
            self.longest_repeat.get_or_create(&No {}).set(age.as_secs_f64());
        }
        let mut text = String::new();
        #[expect(clippy::expect_used, reason = "half an exposition would be read as missing metrics")]
        prometheus_text::encode(&mut text, &self.registry).expect("writing to a string never fails");
        text
    }
}

/// The current time, in seconds since 1970.
fn unix_time() -> f64 {
    (clock::now() - DateTime::UNIX_EPOCH).as_seconds_f64()
}

fn short_durations() -> Histogram {
    Histogram::new([0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

/// Buckets up to the parent timeout and beyond.
fn long_durations() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0])
}

fn sizes() -> Histogram {
    Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_000.0])
}
