-- The audit log. Each entry has a sequence number, the digest of the entry before it and its own digest; `audit_head` holds
-- the ends of this chain.

CREATE TABLE audit_log (
    id UUID NOT NULL PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    actor text NOT NULL,
    origin text NOT NULL,
    action text NOT NULL,
    letter_id UUID,
    job_id UUID,
    letters integer,
    details text NOT NULL,
    sequence bigint,
    previous text,
    digest text
);
CREATE UNIQUE INDEX audit_log_by_sequence ON audit_log (sequence);
CREATE INDEX audit_log_by_time ON audit_log (at, id);
CREATE INDEX audit_log_by_letter ON audit_log (letter_id);
CREATE INDEX audit_log_by_job ON audit_log (job_id);

-- A letter of an entry may be deleted before the entry.
CREATE TABLE audit_letters (
    letter_id UUID NOT NULL,
    audit_id UUID NOT NULL REFERENCES audit_log (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (letter_id, audit_id)
);
CREATE INDEX audit_letters_by_entry ON audit_letters (audit_id);

CREATE TABLE audit_head (
    id integer NOT NULL PRIMARY KEY,
    first bigint NOT NULL,
    sequence bigint NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    digest text NOT NULL,
    unchained bigint NOT NULL
);
INSERT INTO audit_head (id, first, sequence, at, digest, unchained) VALUES (1, 1, 0, '2000-01-01T00:00:00+00:00', '', 0);
