-- What sealwax keeps in a database, all of it in the schema "sealwax". Running this again changes nothing.
CREATE SCHEMA IF NOT EXISTS sealwax;

-- Returns what an envelope says without a key, its suite and the kind and the id of each wrap, in their order:
-- "a256gcm 1=prod-2026,1=eu-dr". NULL if its head is not an envelope's.
CREATE OR REPLACE FUNCTION sealwax.head(envelope bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE head text; separator text := ' '; id text; len int; wrapped int; kind int;
    at int := 5; -- Where a wrap begins: length of the id, id, length of what is wrapped, its kind, the rest.
    last int := octet_length(envelope) - 76; -- The last place where the wraps can end.
BEGIN
    IF last < 11 OR substring(envelope FROM 1 FOR 3) <> '\x535701' THEN RETURN NULL; END IF;
    head := CASE get_byte(envelope, 3) WHEN 1 THEN 'a256gcm' WHEN 2 THEN 'c20p' END;
    IF head IS NULL OR get_byte(envelope, 4) NOT BETWEEN 1 AND 8 THEN RETURN NULL; END IF;
    FOR wrap IN 1 .. get_byte(envelope, 4) LOOP
        len := get_byte(envelope, at);
        id := encode(substring(envelope FROM at + 2 FOR len), 'escape');
        IF len > 128 OR id !~ '^[A-Za-z0-9][A-Za-z0-9._/@-]*$' THEN RETURN NULL; END IF;
        IF strpos(head || ',', '=' || id || ',') > 0 THEN RETURN NULL; END IF;
        at := at + len + 1;
        IF at + 3 > last THEN RETURN NULL; END IF;
        wrapped := 256 * get_byte(envelope, at) + get_byte(envelope, at + 1);
        kind := get_byte(envelope, at + 2);
        head := head || separator || kind || '=' || id;
        separator := ',';
        at := at + 2 + wrapped;
        IF wrapped < 2 OR kind = 0 OR at > last THEN RETURN NULL; END IF;
    END LOOP;
    -- An id that looks like a key is none, and a ciphertext has at most 16 MiB.
    IF head ~* 'sw[a-z]{1,2}1_' OR last - at > 16777216 THEN RETURN NULL; END IF;
    RETURN head;
END $$;

-- The same of the text form. It does not check that the base64 is the only one of its bytes.
CREATE OR REPLACE FUNCTION sealwax.head(envelope text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
-- With "C", because a column can have a collation that these functions refuse.
DECLARE sealed text COLLATE "C" := envelope; wrap text COLLATE "C"; id text COLLATE "C"; head text COLLATE "C";
    parts text[] COLLATE "C"; wraps text[] COLLATE "C"; separator text COLLATE "C" := ' '; kind int;
BEGIN
    -- First what is cheap, because a regular expression copies its text, and fails on one of 256 MiB.
    IF left(sealed, 4) <> 'sw1:' OR octet_length(sealed) > 24000000 THEN RETURN NULL; END IF;
    -- The lengths are not in it, because counting makes it ten times as slow.
    IF sealed !~ ('^sw1:(?:a256gcm|c20p):[A-Za-z0-9][A-Za-z0-9._/@-]*=[A-Za-z0-9_-]{3,}'
        '(?:,[A-Za-z0-9][A-Za-z0-9._/@-]*=[A-Za-z0-9_-]{3,})*:[A-Za-z0-9_:-]*$') THEN RETURN NULL; END IF;
    parts := string_to_array(sealed, ':');
    wraps := string_to_array(parts[3], ',');
    IF cardinality(parts) <> 7 OR cardinality(wraps) > 8 OR length(parts[4]) <> 64 OR length(parts[5]) <> 16
        OR length(parts[6]) <> 22 THEN RETURN NULL; END IF;
    head := parts[2];
    FOREACH wrap IN ARRAY wraps LOOP
        id := split_part(wrap, '=', 1);
        IF length(id) > 128 OR strpos(head || ',', '=' || id || ',') > 0 THEN RETURN NULL; END IF;
        kind := get_byte(decode(translate(substring(wrap FROM length(id) + 2 FOR 3), '-_', '+/') || 'A', 'base64'), 0);
        IF kind = 0 THEN RETURN NULL; END IF;
        head := head || separator || kind || '=' || id;
        separator := ',';
    END LOOP;
    IF head ~* 'sw[a-z]{1,2}1_' THEN RETURN NULL; END IF;
    RETURN head;
END $$;

-- Returns what a rotation keeps of an envelope, which is all but the wraps and the MAC over them: the commitment, and
-- the SHA-256 of suite || IV || tag || ciphertext. NULL if it is no envelope.
CREATE OR REPLACE FUNCTION sealwax.payload(envelope bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE at int := 5; -- The number of bytes before a wrap, and after the last one, before the commitment.
BEGIN
    IF sealwax.head(envelope) IS NULL THEN RETURN NULL; END IF;
    FOR wrap IN 1 .. get_byte(envelope, 4) LOOP
        at := at + 1 + get_byte(envelope, at);
        at := at + 2 + 256 * get_byte(envelope, at) + get_byte(envelope, at + 1);
    END LOOP;
    -- Between the commitment and the IV are the 16 bytes of the MAC.
    RETURN substring(envelope FROM at + 1 FOR 32)
        || sha256(substring(envelope FROM 4 FOR 1) || substring(envelope FROM at + 49));
END $$;

-- The same of the text form, and the same bytes.
CREATE OR REPLACE FUNCTION sealwax.payload(envelope text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE sealed text COLLATE "C" := envelope; parts text[] COLLATE "C"; proof_and_iv bytea; len int;
BEGIN
    IF sealwax.head(sealed) IS NULL THEN RETURN NULL; END IF;
    parts := string_to_array(translate(sealed, '-_', '+/'), ':');
    len := octet_length(parts[7]);
    -- Bits of the last character that no byte needs are 0. Otherwise two texts would have the same bytes.
    IF right(parts[6], 1) !~ '[AQgw]' OR (CASE len % 4 WHEN 0 THEN false WHEN 1 THEN true
        WHEN 2 THEN right(parts[7], 1) !~ '[AQgw]' ELSE right(parts[7], 1) !~ '[AEIMQUYcgkosw048]' END)
    THEN RETURN NULL; END IF;
    proof_and_iv := decode(parts[4] || parts[5], 'base64');
    RETURN substring(proof_and_iv FROM 1 FOR 32)
        || sha256(CASE parts[2] WHEN 'a256gcm' THEN '\x01'::bytea ELSE '\x02' END || substring(proof_and_iv FROM 49)
            || decode(parts[6] || '==', 'base64') || decode(parts[7] || repeat('=', (4 - len % 4) % 4), 'base64'));
END $$;

-- What each census saw: when a column last had a row that names a key, and the first census since then that saw none.
CREATE TABLE IF NOT EXISTS sealwax.sightings (
    table_schema text NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    last_seen timestamptz,
    first_absent timestamptz,
    PRIMARY KEY (table_schema, table_name, column_name, key_id)
);
