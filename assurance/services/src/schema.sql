CREATE TABLE credentials (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   bigint NOT NULL,
    provider text NOT NULL,
    envelope bytea NOT NULL, -- Or text. Not varchar(255): an envelope is longer.
    UNIQUE (tenant, provider)
);
CREATE TABLE audit (
    at timestamptz DEFAULT now(), tenant bigint, provider text, commitment bytea NOT NULL, outcome text NOT NULL
);
