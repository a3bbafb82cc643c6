-- The audit log of sealwax. Running this again changes nothing.
CREATE TABLE IF NOT EXISTS sealwax_audit (
    subject text COLLATE "C" NOT NULL CHECK (subject = record::json ->> 'subject'),
    number bigint NOT NULL CHECK (number > 0 AND number = (record::json ->> 'number')::bigint),
    mac bytea NOT NULL CHECK (encode(mac, 'hex') = record::json ->> 'mac'),
    record text NOT NULL,
    PRIMARY KEY (subject, number)
);

CREATE OR REPLACE VIEW sealwax_audit_entries AS
SELECT subject, number, (record::json ->> 'time')::bigint AS time, record::json ->> 'action' AS action,
    record::json ->> 'who' AS who, record::json ->> 'why' AS why, record::json ->> 'outcome' AS outcome,
    record::json ->> 'key_id' AS key_id, record::json ->> 'commitment' AS commitment,
    record::json ->> 'context' AS context, record::json ->> 'audit_key' AS audit_key
FROM sealwax_audit;

-- It names the table by its schema, because a session may have another table with this name in its search path.
CREATE OR REPLACE FUNCTION sealwax_audit_grows() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_next boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        EXECUTE format('SELECT $2 = 1 OR EXISTS (SELECT FROM %I.%I WHERE subject = $1 AND number = $2 - 1)',
            TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO is_next USING NEW.subject, NEW.number;
        IF is_next THEN RETURN NEW; END IF;
        RAISE EXCEPTION 'sealwax_audit: not the next entry of its chain';
    END IF;
    RAISE EXCEPTION 'sealwax_audit only grows';
END $$;

CREATE OR REPLACE TRIGGER sealwax_audit_grows BEFORE INSERT OR UPDATE OR DELETE ON sealwax_audit
    FOR EACH ROW EXECUTE FUNCTION sealwax_audit_grows();
CREATE OR REPLACE TRIGGER sealwax_audit_stays BEFORE TRUNCATE ON sealwax_audit
    FOR EACH STATEMENT EXECUTE FUNCTION sealwax_audit_grows();
-- Also with session_replication_role = replica.
ALTER TABLE sealwax_audit ENABLE ALWAYS TRIGGER sealwax_audit_grows, ENABLE ALWAYS TRIGGER sealwax_audit_stays;
