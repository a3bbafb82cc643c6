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

CREATE OR REPLACE FUNCTION sealwax_audit_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.number = 1 OR EXISTS (SELECT FROM sealwax_audit AS a
            WHERE a.subject = NEW.subject AND a.number = NEW.number - 1) THEN RETURN NEW; END IF;
        RAISE EXCEPTION 'sealwax_audit: not the next entry of its chain';
    END IF;
    RAISE EXCEPTION 'sealwax_audit only grows';
END $$;

CREATE OR REPLACE TRIGGER sealwax_audit_grows BEFORE INSERT OR UPDATE OR DELETE ON sealwax_audit
    FOR EACH ROW EXECUTE FUNCTION sealwax_audit_grows();
CREATE OR REPLACE TRIGGER sealwax_audit_stays BEFORE TRUNCATE ON sealwax_audit
    FOR EACH STATEMENT EXECUTE FUNCTION sealwax_audit_grows();
