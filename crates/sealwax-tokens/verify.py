"""Verifies tokens and records of sealwax-tokens. Written from FORMAT.md alone, with Python's standard library.
python3 verify.py PEPPERS NOW LINES: the text of the peppers, seconds since 1970, and on each line a record and a token, or
only a record. It prints what each line is."""
import base64, hashlib, hmac, io, re, string, sys, zlib

def expand(key, *info):  # RFC 5869, to one block
    return hmac.digest(key, b"".join(info) + b"\x01", "sha256")

def decode(text):  # There is one text for the same bytes
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    assert base64.urlsafe_b64encode(data).decode().rstrip("=") == text
    return data

def read_peppers(text):
    text = re.sub("(?m)^[ \\t]*#.*", "", text).replace(";", "\n")
    for state, pepper_id, *key in filter(None, map(str.split, text.splitlines())):
        if state != "disabled":
            data = base64.urlsafe_b64decode(key[0].removeprefix("swh1_"))
            assert hashlib.sha256(b"swh1/key" + data[:32]).digest()[:4] == data[32:], "a mistyped pepper"
            yield pepper_id, data[:32]

def is_token(text):
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    crc = zlib.crc32(text[:-6].encode())
    return text[-6:] == "".join(digits[crc // 62**n % 62] for n in range(5, -1, -1))

def read_claims(data):
    fields = dict(zip(("version", "scheme", "state", "mode", "single use"), data))
    fields |= {"id": data[5:21].hex(), "from": int.from_bytes(data[21:29]), "until": int.from_bytes(data[29:37])}
    rest = io.BytesIO(data[37:])
    sized = lambda: rest.read(rest.read(1)[0])
    fields |= {"subject": sized().decode(), "scopes": [sized().decode() for _ in range(rest.read(1)[0])]}
    fields |= {"hint": sized().decode(), "salt": sized()}
    assert fields["version"] == 1 and not rest.read() and fields["scopes"] == sorted(set(fields["scopes"]))
    return fields

def verify(peppers, record, now, token=None):
    version, pepper_id, *parts = record.split(":")
    (digest, claims, mac), pepper = map(decode, parts), peppers[pepper_id]
    name = bytes([len(pepper_id)]) + pepper_id.encode()
    if version != "swt1" or not hmac.compare_digest(expand(pepper, b"swt1/claims", name, digest, claims), mac):
        return "altered"
    claims = read_claims(claims)
    scheme, salt, data = claims["scheme"], claims["salt"], (token or "").encode()
    old = hashlib.sha256([b"", data, salt + data, data + salt][scheme]).digest()
    legacy = b"swt1/legacy" + bytes([scheme, len(salt)]) + salt + old
    if token and expand(pepper, legacy if scheme else b"swt1/token" + data) != digest:
        return "unknown"
    if token and claims["hint"] and not (is_token(token) and token.endswith(claims["hint"])):
        return "malformed"
    time = "not_yet" if now < claims["from"] else "expired" if now >= claims["until"] else "ok"
    return [time, time, time, "spent", "revoked"][claims["state"]]

if __name__ == "__main__":
    peppers = dict(read_peppers(open(sys.argv[1], encoding="utf-8").read()))
    for line in open(sys.argv[3], encoding="utf-8"):
        record, *token = line.rstrip("\n").split(" ")
        print(verify(peppers, record, int(sys.argv[2]), *token))
