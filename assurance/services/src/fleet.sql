CREATE TABLE keyring_reports (
    process     text PRIMARY KEY,
    fingerprint bytea NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
