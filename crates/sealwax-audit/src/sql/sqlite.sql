-- The audit log of sealwax. Running this again changes nothing.
CREATE TABLE IF NOT EXISTS sealwax_audit (
    subject TEXT NOT NULL CHECK (subject = record ->> 'subject'),
    number INTEGER NOT NULL CHECK (number > 0 AND number = record ->> 'number'),
    mac BLOB NOT NULL CHECK (lower(hex(mac)) = record ->> 'mac'),
    record TEXT NOT NULL,
    PRIMARY KEY (subject, number)
) STRICT, WITHOUT ROWID;

CREATE VIEW IF NOT EXISTS sealwax_audit_entries AS
SELECT subject, number, record ->> 'time' AS time, record ->> 'action' AS action, record ->> 'who' AS who,
    record ->> 'why' AS why, record ->> 'outcome' AS outcome, record ->> 'key_id' AS key_id,
    record ->> 'commitment' AS commitment, record ->> 'context' AS context, record ->> 'audit_key' AS audit_key
FROM sealwax_audit;

CREATE TRIGGER IF NOT EXISTS sealwax_audit_next BEFORE INSERT ON sealwax_audit
BEGIN
    -- INSERT OR REPLACE would delete the old row, for which no trigger runs.
    SELECT RAISE(IGNORE) FROM sealwax_audit WHERE subject = NEW.subject AND number = NEW.number;
    SELECT RAISE(ABORT, 'sealwax_audit: not the next entry of its chain') WHERE NEW.number > 1
    AND NOT EXISTS (SELECT 1 FROM sealwax_audit WHERE subject = NEW.subject AND number = NEW.number - 1);
END;

CREATE TRIGGER IF NOT EXISTS sealwax_audit_unchanged BEFORE UPDATE ON sealwax_audit
BEGIN SELECT RAISE(ABORT, 'sealwax_audit only grows'); END;

CREATE TRIGGER IF NOT EXISTS sealwax_audit_undeleted BEFORE DELETE ON sealwax_audit
BEGIN SELECT RAISE(ABORT, 'sealwax_audit only grows'); END;
