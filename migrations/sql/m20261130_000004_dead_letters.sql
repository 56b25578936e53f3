-- Dead letters with their attempts, and replay jobs with their letters. The payload is not null: it is the only copy of an
-- accepted event that failed.

CREATE TABLE dead_letters (
    id UUID NOT NULL PRIMARY KEY,
    event_id text,
    clinic_id text,
    kind text,
    careq_id bigint,
    class text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    attempts integer NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    worker text NOT NULL,
    version text NOT NULL,
    payload BYTEA NOT NULL,
    state text NOT NULL DEFAULT 'open',
    fingerprint text NOT NULL DEFAULT '',
    settled_at TIMESTAMPTZ,
    reason text,
    original_id UUID,
    job_id UUID,
    audit_id UUID,
    accepted_at TIMESTAMPTZ,
    waiting_kind text,
    waiting_careq_id bigint
);
CREATE INDEX dead_letters_by_event ON dead_letters (event_id);
CREATE INDEX dead_letters_by_record ON dead_letters (clinic_id, kind, careq_id);
CREATE INDEX dead_letters_by_time ON dead_letters (last_seen_at, id);
-- Most rows are settled, and are not read for open letters. SQLite uses a partial index only if the statement has the same
-- condition. It does not match a list of values with the list in a condition, but it infers NOT NULL from a comparison.
CREATE INDEX dead_letters_open ON dead_letters (class, fingerprint, last_seen_at) WHERE state IN ('open', 'replaying');
CREATE INDEX dead_letters_settled ON dead_letters (settled_at, id) WHERE settled_at IS NOT NULL;
CREATE INDEX dead_letters_to_follow ON dead_letters (id) WHERE state = 'open';
CREATE INDEX dead_letters_by_original ON dead_letters (original_id) WHERE original_id IS NOT NULL;
CREATE INDEX dead_letters_by_parent ON dead_letters (clinic_id, waiting_kind, waiting_careq_id) WHERE waiting_kind IS NOT NULL;
CREATE INDEX dead_letters_waiting ON dead_letters (id) WHERE state = 'open' AND waiting_kind IS NOT NULL;

CREATE TABLE dead_letter_attempts (
    id UUID NOT NULL PRIMARY KEY,
    letter_id UUID NOT NULL REFERENCES dead_letters (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    at TIMESTAMPTZ NOT NULL,
    worker text NOT NULL,
    version text NOT NULL,
    message text NOT NULL
);
CREATE INDEX dead_letter_attempts_by_letter ON dead_letter_attempts (letter_id, at);

CREATE TABLE replay_jobs (
    id UUID NOT NULL PRIMARY KEY,
    state text NOT NULL,
    filter text NOT NULL,
    rate_per_second integer NOT NULL,
    letters bigint NOT NULL,
    made_by text NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    worker text,
    lease_ends_at TIMESTAMPTZ
);
CREATE INDEX replay_jobs_live ON replay_jobs (made_at) WHERE state IN ('running', 'paused');

-- A letter of a job may be deleted before the job, which then still counts it.
CREATE TABLE replay_job_letters (
    job_id UUID NOT NULL REFERENCES replay_jobs (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    letter_id UUID NOT NULL,
    position bigint NOT NULL,
    state text NOT NULL,
    note text,
    published_at TIMESTAMPTZ,
    settled_at TIMESTAMPTZ,
    PRIMARY KEY (job_id, letter_id)
);
CREATE INDEX replay_job_letters_by_state ON replay_job_letters (job_id, state, position);
CREATE INDEX replay_job_letters_by_letter ON replay_job_letters (letter_id);
