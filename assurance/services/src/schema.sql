CREATE TABLE credentials (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   bigint NOT NULL,
    provider text NOT NULL,
    envelope bytea NOT NULL, -- Or text, but not varchar(255): the text form is longer.
    UNIQUE (tenant, provider)
);
CREATE TABLE audit (
    at timestamptz DEFAULT now(), tenant bigint, provider text, outcome text NOT NULL,
    commitment bytea -- NULL if the row is not an envelope.
);
