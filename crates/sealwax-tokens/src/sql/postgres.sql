-- The tokens of sealwax. Running this again changes nothing.
CREATE TABLE IF NOT EXISTS sealwax_tokens (
    id text COLLATE "C" PRIMARY KEY,
    -- For lists. What counts is the subject in the record.
    subject text COLLATE "C" NOT NULL,
    lookup text COLLATE "C" NOT NULL UNIQUE CHECK (starts_with(record, 'swt1:' || lookup || ':')),
    record text COLLATE "C" NOT NULL,
    -- For deleting. What counts is the time in the record.
    expires bigint NOT NULL,
    -- The token that was rotated out, while its grace lasts.
    previous_lookup text COLLATE "C" UNIQUE CHECK (starts_with(previous, 'swt1:' || previous_lookup || ':')),
    previous text COLLATE "C" CHECK ((previous IS NULL) = (previous_lookup IS NULL)),
    last_used bigint
);

CREATE INDEX IF NOT EXISTS sealwax_tokens_subject ON sealwax_tokens (subject);

-- For those that have expired.
CREATE INDEX IF NOT EXISTS sealwax_tokens_expires ON sealwax_tokens (expires);

-- The salted tokens of another program, until their first use: the third and fourth scheme of claims, with the first and
-- the third state.
CREATE INDEX IF NOT EXISTS sealwax_tokens_salted ON sealwax_tokens (id)
WHERE substr(record, length(lookup) + 7, 4) IN ('AQIA', 'AQMA');

CREATE INDEX IF NOT EXISTS sealwax_tokens_previous_salted ON sealwax_tokens (id)
WHERE substr(previous, length(previous_lookup) + 7, 4) IN ('AQIC', 'AQMC');
