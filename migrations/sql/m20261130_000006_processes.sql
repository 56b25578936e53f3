-- The processes of the installation. Each renews its row every two seconds. Workers share the partitions of the queues by
-- these rows.

CREATE TABLE processes (
    id UUID NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    version text NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    concurrency integer NOT NULL,
    partitions integer NOT NULL,
    in_flight bigint NOT NULL,
    events_per_s double precision NOT NULL,
    batch_p95_ms bigint
);
