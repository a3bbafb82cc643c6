-- The jobs that rewrite a table, the ranges of keys that workers share, and the rows that fail.
CREATE TABLE IF NOT EXISTS sealwax.jobs (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL,
    table_schema    text NOT NULL,
    table_name      text NOT NULL,
    key_columns     text[] NOT NULL,
    key_types       text[] NOT NULL,
    envelope_column text NOT NULL,
    primary_key_id  text,
    leaked_key_id   text,           -- A job that reseals: the key that other people have.
    context         text[],         -- Names and templates in turn.
    declaration     text,           -- An import: how the rows are encrypted.
    takes_suspicious boolean NOT NULL,
    is_dry_run      boolean NOT NULL,
    fingerprint     bytea NOT NULL, -- Of the keyring that every worker has to have.
    witness         bytea,          -- A job that writes: an envelope that every worker has to open.
    rows_expected   bigint NOT NULL,
    page            int NOT NULL,
    rows_per_second int,            -- Of all workers together. NULL: no limit.
    is_wanted       boolean NOT NULL DEFAULT false, -- Whether a worker has found no range that is free.
    free_at         timestamptz,    -- When the next page may start, if there is such a limit.
    stop_after      bigint,         -- Failures of one class since the job was resumed. NULL: no limit.
    planned_at      timestamptz NOT NULL DEFAULT now(),
    paused_at       timestamptz,
    resumed_at      timestamptz,    -- The last time.
    stopped_because text,           -- It waits until somebody resumes it.
    key_ids         text[],         -- If it is to be proved: the key ids that rows named before,
    key_id_rows     bigint[],       -- and how many rows each.
    finished_at     timestamptz,
    is_cancelled    boolean NOT NULL DEFAULT false,
    replaced_by     bigint REFERENCES sealwax.jobs
);
-- Of the jobs that write, one of any kind; of the others, one of each kind.
CREATE UNIQUE INDEX IF NOT EXISTS one_job_for_each_column
    ON sealwax.jobs (table_schema, table_name, envelope_column, (CASE WHEN witness IS NULL THEN kind ELSE 'write' END))
    WHERE finished_at IS NULL;

CREATE TABLE IF NOT EXISTS sealwax.ranges (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         bigint NOT NULL REFERENCES sealwax.jobs ON DELETE CASCADE,
    above       text[], -- The key that it begins after. NULL: at the first row.
    up_to       text[], -- The last key in it. NULL: the last row.
    mark        text[], -- The last key that is done.
    rows        bigint NOT NULL DEFAULT 0,
    changed     bigint NOT NULL DEFAULT 0,
    current     bigint NOT NULL DEFAULT 0,
    finished_at timestamptz
);
CREATE INDEX IF NOT EXISTS ranges_left ON sealwax.ranges (job, id) WHERE finished_at IS NULL;

CREATE TABLE IF NOT EXISTS sealwax.failures (
    job          bigint NOT NULL REFERENCES sealwax.jobs ON DELETE CASCADE,
    key          text[] NOT NULL,
    class        text NOT NULL,
    name         text NOT NULL,
    key_id       text,
    detail       text,    -- What is wrong, without anything of the row's contents.
    is_transient boolean NOT NULL,
    tries        int NOT NULL DEFAULT 1,
    failed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, key)
);

-- The rows that were sealed again because a key leaked: what they hold may come from the thief. Some may not have been
-- written in the end, because somebody else wrote them or the database refused.
CREATE TABLE IF NOT EXISTS sealwax.resealed (
    job         bigint NOT NULL REFERENCES sealwax.jobs,
    key         text[] NOT NULL,
    resealed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, key)
);

-- What the rows held before a rotation that is to be proved. It has no index and no reference, because with either of
-- them the plan would take half as long again.
CREATE TABLE IF NOT EXISTS sealwax.payloads (
    job     bigint NOT NULL,
    key     text[] COLLATE "C" NOT NULL,
    payload bytea NOT NULL -- sealwax.payload
);
