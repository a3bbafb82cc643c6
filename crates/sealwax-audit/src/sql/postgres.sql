-- The audit log of sealwax. Running this again changes nothing.
CREATE TABLE IF NOT EXISTS sealwax_audit (
    subject text COLLATE "C" NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    time bigint NOT NULL,
    action text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    outcome text NOT NULL,
    key_id text,
    commitment bytea CHECK (length(commitment) = 32),
    context bytea CHECK (length(context) = 32),
    audit_key text NOT NULL,
    mac bytea NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (subject, number)
);

-- The last entry of each subject; 0 and an empty MAC before the first one.
CREATE TABLE IF NOT EXISTS sealwax_audit_last (
    subject text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    mac bytea NOT NULL CHECK (length(mac) = CASE number WHEN 0 THEN 0 ELSE 32 END)
);

CREATE OR REPLACE FUNCTION sealwax_audit_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND TG_RELID = 'sealwax_audit'::regclass THEN
        IF EXISTS (SELECT FROM sealwax_audit_last AS l
            WHERE l.subject = NEW.subject AND l.number = NEW.number AND l.mac = NEW.mac) THEN RETURN NEW; END IF;
    ELSIF TG_OP = 'INSERT' THEN
        IF NEW.number = 0 THEN RETURN NEW; END IF;
    ELSIF TG_OP = 'UPDATE' AND TG_RELID = 'sealwax_audit_last'::regclass THEN
        IF NEW.subject = OLD.subject AND NEW.number = OLD.number + 1 THEN RETURN NEW; END IF;
    END IF;
    RAISE EXCEPTION '% only grows, by the next entry of a chain', TG_TABLE_NAME;
END $$;

CREATE OR REPLACE TRIGGER sealwax_audit_grows BEFORE INSERT OR UPDATE OR DELETE ON sealwax_audit
    FOR EACH ROW EXECUTE FUNCTION sealwax_audit_grows();
CREATE OR REPLACE TRIGGER sealwax_audit_stays BEFORE TRUNCATE ON sealwax_audit
    FOR EACH STATEMENT EXECUTE FUNCTION sealwax_audit_grows();
CREATE OR REPLACE TRIGGER sealwax_audit_grows BEFORE INSERT OR UPDATE OR DELETE ON sealwax_audit_last
    FOR EACH ROW EXECUTE FUNCTION sealwax_audit_grows();
CREATE OR REPLACE TRIGGER sealwax_audit_stays BEFORE TRUNCATE ON sealwax_audit_last
    FOR EACH STATEMENT EXECUTE FUNCTION sealwax_audit_grows();
