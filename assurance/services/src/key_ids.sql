-- Returns the key ids of an envelope's wraps, in their order: prod-2026,eu-dr. NULL if its head is not an envelope's.
CREATE FUNCTION key_ids(envelope bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE ids text := ''; id text; len int;
    at int := 5; -- Where an entry begins: length of the id, id, length of the wrap, wrap.
BEGIN
    IF octet_length(envelope) < 87 OR substring(envelope FROM 1 FOR 3) <> '\x535701' THEN RETURN NULL; END IF;
    FOR wrap IN 1 .. get_byte(envelope, 4) LOOP
        len := get_byte(envelope, at);
        id := encode(substring(envelope FROM at + 2 FOR len), 'escape');
        IF wrap > 8 OR len > 128 OR id !~ '^[A-Za-z0-9][A-Za-z0-9._/@-]*$' THEN RETURN NULL; END IF;
        ids := ids || ',' || id;
        at := at + len + 3;
        IF at > octet_length(envelope) THEN RETURN NULL; END IF;
        at := at + 256 * get_byte(envelope, at - 2) + get_byte(envelope, at - 1);
        IF at + 76 > octet_length(envelope) THEN RETURN NULL; END IF;
    END LOOP;
    RETURN nullif(substring(ids FROM 2), '');
END $$;

CREATE FUNCTION key_ids(envelope text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE ids text := ''; wrap text; wraps text[] := string_to_array(split_part(envelope, ':', 3), ',');
BEGIN
    IF envelope NOT LIKE 'sw1:%:%:%:%:%:%' OR cardinality(wraps) > 8 THEN RETURN NULL; END IF;
    FOREACH wrap IN ARRAY wraps LOOP
        IF strpos(wrap, '=') > 129 OR wrap !~ '^[A-Za-z0-9][A-Za-z0-9._/@-]*=' THEN RETURN NULL; END IF;
        ids := ids || ',' || split_part(wrap, '=', 1);
    END LOOP;
    RETURN nullif(substring(ids FROM 2), '');
END $$;

-- With "C", the order is that of the bytes, and does not change when the system's locale does.
CREATE INDEX credentials_key_ids ON credentials (key_ids(envelope) COLLATE "C");
