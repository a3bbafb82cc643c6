-- The audit log of sealwax. Running this again changes nothing.
CREATE TABLE IF NOT EXISTS sealwax_audit (
    subject TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    time INTEGER NOT NULL,
    action TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    outcome TEXT NOT NULL,
    key_id TEXT,
    commitment BLOB CHECK (length(commitment) = 32),
    context BLOB CHECK (length(context) = 32),
    audit_key TEXT NOT NULL,
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (subject, number)
) STRICT, WITHOUT ROWID;

-- The last entry of each subject; 0 and an empty MAC before the first one.
CREATE TABLE IF NOT EXISTS sealwax_audit_last (
    subject TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    mac BLOB NOT NULL CHECK (length(mac) = iif(number = 0, 0, 32))
) STRICT, WITHOUT ROWID;

-- Also for INSERT OR REPLACE, which deletes the old row without a trigger.
CREATE TRIGGER IF NOT EXISTS sealwax_audit_insert BEFORE INSERT ON sealwax_audit
WHEN EXISTS (SELECT 1 FROM sealwax_audit WHERE subject = NEW.subject AND number = NEW.number)
    OR NOT EXISTS (
        SELECT 1 FROM sealwax_audit_last WHERE subject = NEW.subject AND number = NEW.number AND mac = NEW.mac
    )
BEGIN SELECT RAISE(ABORT, 'sealwax_audit: not the next entry of its chain'); END;

CREATE TRIGGER IF NOT EXISTS sealwax_audit_update BEFORE UPDATE ON sealwax_audit
BEGIN SELECT RAISE(ABORT, 'sealwax_audit only grows'); END;

CREATE TRIGGER IF NOT EXISTS sealwax_audit_delete BEFORE DELETE ON sealwax_audit
BEGIN SELECT RAISE(ABORT, 'sealwax_audit only grows'); END;

CREATE TRIGGER IF NOT EXISTS sealwax_audit_last_insert BEFORE INSERT ON sealwax_audit_last
WHEN NEW.number <> 0 OR EXISTS (SELECT 1 FROM sealwax_audit_last WHERE subject = NEW.subject)
BEGIN SELECT RAISE(ABORT, 'sealwax_audit_last: a chain begins once, at 0'); END;

CREATE TRIGGER IF NOT EXISTS sealwax_audit_last_update BEFORE UPDATE ON sealwax_audit_last
WHEN NEW.subject <> OLD.subject OR NEW.number <> OLD.number + 1
BEGIN SELECT RAISE(ABORT, 'sealwax_audit_last moves by one'); END;

CREATE TRIGGER IF NOT EXISTS sealwax_audit_last_delete BEFORE DELETE ON sealwax_audit_last
BEGIN SELECT RAISE(ABORT, 'sealwax_audit_last only grows'); END;
