-- Returns the key ids of an envelope's wraps, in their order: prod-2026,eu-dr. NULL if it is not an envelope.
CREATE FUNCTION key_ids(envelope bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE ids text[]; len int;
    at int := 5; -- Where an entry begins: length of the id, id, length of the wrap, wrap.
BEGIN
    IF octet_length(envelope) < 87 OR substring(envelope FROM 1 FOR 3) <> '\x535701' THEN RETURN NULL; END IF;
    FOR wrap IN 1 .. get_byte(envelope, 4) LOOP
        len := get_byte(envelope, at);
        ids := ids || encode(substring(envelope FROM at + 2 FOR len), 'escape');
        at := at + len + 3;
        IF at > octet_length(envelope) THEN RETURN NULL; END IF;
        at := at + 256 * get_byte(envelope, at - 2) + get_byte(envelope, at - 1);
        IF at >= octet_length(envelope) THEN RETURN NULL; END IF;
    END LOOP;
    RETURN array_to_string(ids, ',');
END $$;

CREATE FUNCTION key_ids(envelope text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN envelope LIKE 'sw1:%:%:%'
        THEN regexp_replace(split_part(envelope, ':', 3), '=[^,]*', '', 'g') END
$$;

CREATE INDEX credentials_key_ids ON credentials (key_ids(envelope));
