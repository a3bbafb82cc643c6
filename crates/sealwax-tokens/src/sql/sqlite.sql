-- The tokens of sealwax. Running this again changes nothing.
CREATE TABLE IF NOT EXISTS sealwax_tokens (
    id TEXT PRIMARY KEY,
    -- For lists. What counts is the subject in the record.
    subject TEXT NOT NULL,
    lookup TEXT NOT NULL UNIQUE CHECK (substr(record, 1, length(lookup) + 6) = 'swt1:' || lookup || ':'),
    record TEXT NOT NULL,
    -- For deleting. What counts is the time in the record.
    expires INTEGER NOT NULL,
    -- The token that was rotated out, while its grace lasts.
    previous_lookup TEXT
        CHECK (substr(previous, 1, length(previous_lookup) + 6) = 'swt1:' || previous_lookup || ':'),
    previous TEXT CHECK ((previous IS NULL) = (previous_lookup IS NULL)),
    last_used INTEGER
) STRICT, WITHOUT ROWID;

-- Most rows have none. If they were in the index, ANALYZE would make requests read the whole table.
CREATE UNIQUE INDEX IF NOT EXISTS sealwax_tokens_previous ON sealwax_tokens (previous_lookup)
WHERE previous_lookup IS NOT NULL;

CREATE INDEX IF NOT EXISTS sealwax_tokens_subject ON sealwax_tokens (subject);

-- For those that have expired.
CREATE INDEX IF NOT EXISTS sealwax_tokens_expires ON sealwax_tokens (expires);

-- The salted tokens of another program, until their first use: the third and fourth scheme of claims, with the first and
-- the third state.
CREATE INDEX IF NOT EXISTS sealwax_tokens_salted ON sealwax_tokens (id)
WHERE substr(record, length(lookup) + 7, 4) IN ('AQIA', 'AQMA');

CREATE INDEX IF NOT EXISTS sealwax_tokens_previous_salted ON sealwax_tokens (id)
WHERE substr(previous, length(previous_lookup) + 7, 4) IN ('AQIC', 'AQMC');
