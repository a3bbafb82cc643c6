-- The tables of the gateway, for SQLite and PostgreSQL. Running this again changes nothing. Times are seconds since 1970.
CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY, -- The tenant.
    email TEXT NOT NULL UNIQUE,
    proof TEXT NOT NULL, -- That the address is the tenant's.
    created BIGINT NOT NULL,
    leaving BIGINT -- When the customer left. From then on, nothing of the tenant opens.
);
CREATE TABLE IF NOT EXISTS credentials (
    tenant TEXT NOT NULL REFERENCES accounts,
    provider TEXT NOT NULL,
    envelope TEXT NOT NULL,
    stored BIGINT NOT NULL,
    checked BIGINT, -- When the worker last tried it at its provider, with what status, and for how long it was open.
    status BIGINT,
    held_micros BIGINT,
    PRIMARY KEY (tenant, provider)
);
-- The dashboard's pairs, whose opening keys are sealed under the root of their epoch. No job rewraps this table.
CREATE TABLE IF NOT EXISTS writer_pairs (key_id TEXT PRIMARY KEY, envelope TEXT NOT NULL);
-- What the worker, which has the audit keys, says of a tenant's log, which stays when the tenant is deleted.
CREATE TABLE IF NOT EXISTS verdicts (
    tenant TEXT PRIMARY KEY,
    entries BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    checked BIGINT NOT NULL
);
-- Which keyring each running process has, for an operator.
CREATE TABLE IF NOT EXISTS processes (name TEXT PRIMARY KEY, keys TEXT NOT NULL, seen BIGINT NOT NULL);
-- What the restore drills found.
CREATE TABLE IF NOT EXISTS drills (finished BIGINT PRIMARY KEY, passed BIGINT NOT NULL, report TEXT NOT NULL);
