-- What sealwax keeps in a database, all of it in the schema "sealwax". Running this again changes nothing.
CREATE SCHEMA IF NOT EXISTS sealwax;

-- Returns what an envelope says without a key, its suite and the kind and the id of each wrap, in their order:
-- "a256gcm 1=prod-2026,1=eu-dr". NULL if its head is not an envelope's.
CREATE OR REPLACE FUNCTION sealwax.head(envelope bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE head text; separator text := ' '; id text; len int; wrapped int;
    at int := 5; -- Where a wrap begins: length of the id, id, length of what is wrapped, its kind, the rest.
BEGIN
    IF octet_length(envelope) < 87 OR substring(envelope FROM 1 FOR 3) <> '\x535701' THEN RETURN NULL; END IF;
    head := CASE get_byte(envelope, 3) WHEN 1 THEN 'a256gcm' WHEN 2 THEN 'c20p' END;
    IF get_byte(envelope, 4) NOT BETWEEN 1 AND 8 THEN RETURN NULL; END IF;
    FOR wrap IN 1 .. get_byte(envelope, 4) LOOP
        len := get_byte(envelope, at);
        id := encode(substring(envelope FROM at + 2 FOR len), 'escape');
        IF len > 128 OR id !~ '^[A-Za-z0-9][A-Za-z0-9._/@-]*$' THEN RETURN NULL; END IF;
        at := at + len + 1;
        IF at + 3 > octet_length(envelope) THEN RETURN NULL; END IF;
        wrapped := 256 * get_byte(envelope, at) + get_byte(envelope, at + 1);
        head := head || separator || get_byte(envelope, at + 2) || '=' || id;
        separator := ',';
        at := at + 2 + wrapped;
        IF wrapped < 2 OR at + 76 > octet_length(envelope) THEN RETURN NULL; END IF;
    END LOOP;
    RETURN head;
END $$;

CREATE OR REPLACE FUNCTION sealwax.head(envelope text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE head text; separator text := ' '; wrap text; kind text; wraps text[];
BEGIN
    IF envelope !~ '^sw1:(a256gcm|c20p):[^:]+:[A-Za-z0-9_-]{64}:[A-Za-z0-9_-]{16}:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]*$' THEN RETURN NULL; END IF;
    head := split_part(envelope, ':', 2);
    wraps := string_to_array(split_part(envelope, ':', 3), ',');
    IF cardinality(wraps) > 8 THEN RETURN NULL; END IF;
    FOREACH wrap IN ARRAY wraps LOOP
        IF strpos(wrap, '=') > 129 OR wrap !~ '^[A-Za-z0-9][A-Za-z0-9._/@-]*=[A-Za-z0-9_-]{3,}$' THEN RETURN NULL; END IF;
        kind := get_byte(decode(translate(substring(split_part(wrap, '=', 2) FROM 1 FOR 3), '-_', '+/') || 'A', 'base64'), 0);
        head := head || separator || kind || '=' || split_part(wrap, '=', 1);
        separator := ',';
    END LOOP;
    RETURN head;
END $$;
