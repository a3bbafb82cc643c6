-- The keys of tenants. Running this again changes nothing.
CREATE TABLE IF NOT EXISTS sealwax_tenants (
    tenant text COLLATE "C" PRIMARY KEY,
    -- Of the newest key that the tenant ever had.
    number integer NOT NULL CHECK (number BETWEEN 1 AND 1000),
    -- All keys up to this number are destroyed.
    destroyed integer NOT NULL CHECK (destroyed BETWEEN 0 AND number)
);

CREATE TABLE IF NOT EXISTS sealwax_tenant_keys (
    tenant text COLLATE "C" NOT NULL REFERENCES sealwax_tenants,
    number integer NOT NULL CHECK (number BETWEEN 1 AND 1000),
    envelope text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, number)
);

-- What `TenantRecord::from_row` takes. Select it in the statement that selects a credential.
CREATE OR REPLACE VIEW sealwax_tenant_records AS
SELECT tenant, concat(number, ' ', destroyed,
    (SELECT string_agg(concat(E'\n', k.number, ' ', k.envelope), '' ORDER BY k.number)
     FROM sealwax_tenant_keys k WHERE k.tenant = t.tenant)) AS record
FROM sealwax_tenants t;
