-- The ledger of events, batches, parked events, and leases. A unique index allows one event for each idempotency key of a
-- clinic.

CREATE TABLE events (
    event_id text NOT NULL PRIMARY KEY,
    clinic_id text NOT NULL,
    idempotency_key text NOT NULL,
    content_digest text NOT NULL,
    kind text NOT NULL,
    careq_id bigint NOT NULL,
    accepted_at TIMESTAMPTZ NOT NULL,
    outcome text NOT NULL,
    appointment_status text,
    error_code text,
    error_message text,
    waiting_for text,
    settled_at TIMESTAMPTZ NOT NULL,
    repeated_at TIMESTAMPTZ
);
-- No index covers a column that changes with the outcome: the update would touch every index.
CREATE UNIQUE INDEX events_idempotency_key ON events (clinic_id, idempotency_key);
CREATE INDEX events_by_acceptance ON events (accepted_at);

CREATE TABLE batches (
    clinic_id text NOT NULL,
    batch_id text NOT NULL,
    content_digest text NOT NULL,
    entries text NOT NULL,
    accepted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (clinic_id, batch_id)
);
CREATE INDEX batches_by_acceptance ON batches (accepted_at);

CREATE TABLE parked_events (
    event_id text NOT NULL PRIMARY KEY,
    clinic_id text NOT NULL,
    kind text NOT NULL,
    careq_id bigint NOT NULL,
    event text NOT NULL,
    waiting_kind text,
    waiting_careq_id bigint,
    due_at TIMESTAMPTZ NOT NULL,
    attempts integer NOT NULL,
    parked_at TIMESTAMPTZ NOT NULL,
    last_message text,
    tries text
);
CREATE INDEX parked_events_by_parent ON parked_events (clinic_id, waiting_kind, waiting_careq_id);
CREATE INDEX parked_events_by_record ON parked_events (clinic_id, kind, careq_id);
-- For the counts that every process measures at intervals: it keeps payloads out of the reads.
CREATE INDEX parked_events_by_waiting ON parked_events (waiting_kind, parked_at);
-- Two indexes, so that a due retry is found without reading a million events that wait for a parent.
CREATE INDEX parked_events_to_retry ON parked_events (due_at) WHERE waiting_kind IS NULL;
CREATE INDEX parked_events_patience ON parked_events (due_at) WHERE waiting_kind IS NOT NULL;

CREATE TABLE leases (
    name text NOT NULL PRIMARY KEY,
    worker text NOT NULL,
    ends_at TIMESTAMPTZ NOT NULL
);

-- PostgreSQL only:
-- With the default, a fifth of a large ledger would be dead before a vacuum, and searches for the oldest rows would read the dead ones.
ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.02);
