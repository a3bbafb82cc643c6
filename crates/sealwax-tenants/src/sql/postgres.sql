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

-- A number that falls would be given to another key, and a key that was destroyed would count as one that is not.
CREATE OR REPLACE FUNCTION sealwax_tenants_rise() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.tenant = OLD.tenant AND NEW.number >= OLD.number AND NEW.destroyed >= OLD.destroyed THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'sealwax_tenants: its rows stay, and their numbers only rise';
END $$;

CREATE OR REPLACE TRIGGER sealwax_tenants_rise BEFORE UPDATE OR DELETE ON sealwax_tenants
    FOR EACH ROW EXECUTE FUNCTION sealwax_tenants_rise();

-- Neither does a destroyed key come back, nor is one that came back moved to a new root. It names the table by its schema,
-- because a session may have another table with this name in its search path.
CREATE OR REPLACE FUNCTION sealwax_tenant_keys_stay_destroyed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_destroyed boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.sealwax_tenants WHERE tenant = $1 AND destroyed >= $2)',
        TG_TABLE_SCHEMA) INTO is_destroyed USING NEW.tenant, NEW.number;
    IF is_destroyed THEN RAISE EXCEPTION 'sealwax_tenant_keys: this key is destroyed'; END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER sealwax_tenant_keys_stay_destroyed BEFORE INSERT OR UPDATE ON sealwax_tenant_keys
    FOR EACH ROW EXECUTE FUNCTION sealwax_tenant_keys_stay_destroyed();
