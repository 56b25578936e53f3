-- Clinics and their secrets, which are stored as digests or sealed, and the admins of the admin API.

CREATE TABLE clinics (
    clinic_id text NOT NULL PRIMARY KEY,
    event_key BYTEA NOT NULL,
    answer_within_ms integer,
    created_at TIMESTAMPTZ NOT NULL,
    disabled_at TIMESTAMPTZ,
    rate_per_minute integer,
    rate_burst integer,
    addresses text
);

CREATE TABLE clinic_credentials (
    id UUID NOT NULL PRIMARY KEY,
    clinic_id text NOT NULL CONSTRAINT clinic_credentials_clinic REFERENCES clinics (clinic_id),
    kind text NOT NULL,
    verifier text NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);
CREATE INDEX clinic_credentials_by_clinic ON clinic_credentials (clinic_id);

CREATE TABLE admins (
    name text NOT NULL PRIMARY KEY,
    role text NOT NULL,
    verifier text NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    rotated_at TIMESTAMPTZ,
    disabled_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX admins_by_verifier ON admins (verifier);
