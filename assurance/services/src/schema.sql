CREATE TABLE credentials (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   bigint NOT NULL,
    provider text NOT NULL,
    envelope bytea NOT NULL, -- Or text, but not varchar(255): the text form is longer.
    UNIQUE (tenant, provider)
);
