-- The keys of tenants. Running this again changes nothing.
CREATE TABLE IF NOT EXISTS sealwax_tenants (
    tenant TEXT PRIMARY KEY,
    -- Of the newest key that the tenant ever had.
    number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 1000),
    -- All keys up to this number are destroyed.
    destroyed INTEGER NOT NULL CHECK (destroyed BETWEEN 0 AND number)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sealwax_tenant_keys (
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 1000),
    envelope TEXT NOT NULL,
    PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID;

-- What `TenantRecord::from_row` takes. Select it in the statement that selects a credential.
CREATE VIEW IF NOT EXISTS sealwax_tenant_records AS
SELECT tenant, number || ' ' || destroyed || coalesce(
    (SELECT group_concat(line, '') FROM (
        SELECT char(10) || k.number || ' ' || k.envelope AS line
        FROM sealwax_tenant_keys k WHERE k.tenant = t.tenant ORDER BY k.number)), '') AS record
FROM sealwax_tenants t;

-- A statement of SQLite writes one table, so the triggers write the other one.
CREATE TRIGGER IF NOT EXISTS sealwax_tenant_keys_counted AFTER INSERT ON sealwax_tenant_keys
BEGIN
    INSERT INTO sealwax_tenants (tenant, number, destroyed) VALUES (NEW.tenant, NEW.number, 0)
    ON CONFLICT (tenant) DO UPDATE SET number = excluded.number WHERE excluded.number > number;
END;

CREATE TRIGGER IF NOT EXISTS sealwax_tenants_destroyed AFTER UPDATE OF destroyed ON sealwax_tenants
BEGIN DELETE FROM sealwax_tenant_keys WHERE tenant = NEW.tenant AND number <= NEW.destroyed; END;

CREATE TRIGGER IF NOT EXISTS sealwax_tenants_buried AFTER INSERT ON sealwax_tenants
BEGIN DELETE FROM sealwax_tenant_keys WHERE tenant = NEW.tenant AND number <= NEW.destroyed; END;

-- A number that falls would be given to another key, and a key that was destroyed would count as one that is not.
CREATE TRIGGER IF NOT EXISTS sealwax_tenants_rise BEFORE UPDATE ON sealwax_tenants
WHEN NEW.tenant <> OLD.tenant OR NEW.number < OLD.number OR NEW.destroyed < OLD.destroyed
BEGIN SELECT RAISE(ABORT, 'sealwax_tenants: its numbers only rise'); END;

CREATE TRIGGER IF NOT EXISTS sealwax_tenants_stay BEFORE DELETE ON sealwax_tenants
BEGIN SELECT RAISE(ABORT, 'sealwax_tenants: its rows stay'); END;

-- Neither does a destroyed key come back, nor is one that came back moved to a new root.
CREATE TRIGGER IF NOT EXISTS sealwax_tenant_keys_inserted BEFORE INSERT ON sealwax_tenant_keys
WHEN EXISTS (SELECT 1 FROM sealwax_tenants WHERE tenant = NEW.tenant AND destroyed >= NEW.number)
BEGIN SELECT RAISE(ABORT, 'sealwax_tenant_keys: this key is destroyed'); END;

CREATE TRIGGER IF NOT EXISTS sealwax_tenant_keys_updated BEFORE UPDATE ON sealwax_tenant_keys
WHEN EXISTS (SELECT 1 FROM sealwax_tenants WHERE tenant = NEW.tenant AND destroyed >= NEW.number)
BEGIN SELECT RAISE(ABORT, 'sealwax_tenant_keys: this key is destroyed'); END;
