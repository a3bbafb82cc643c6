"""Reads the peppers, the tokens and the records for verify.py, and refuses what FORMAT.md does not allow."""
import base64, collections, hashlib, io, re, string, sys, zlib

KEY_ID = rb"(?![\w./@-]*[Ss][Ww][A-Za-z]{1,2}1_)[A-Za-z0-9][\w./@-]{0,127}"
LATEST, NEVER = 10**11, 2**64 - 1
Claims = collections.namedtuple("Claims", "scheme state mode single_use not_before expires scopes salt")

def require(fits, what):
    if not fits:
        raise ValueError(what)

def read_peppers(path):  # Those that are not disabled
    text = re.sub(rb"(?m)^[ \t]*#.*", b"", open(path, "rb").read())
    for words in map(bytes.split, re.split(b"[;\n]", text)):
        if words and words[0] != b"disabled":
            pepper = re.fullmatch(rb"(?:primary|retired) (%b) swh1_([\w-]{48})" % KEY_ID, b" ".join(words))
            data = base64.urlsafe_b64decode(pepper[2]) if pepper else b""
            if hashlib.sha256(b"swh1/key" + data[:32]).digest()[:4] != data[32:]:
                sys.exit(f"{path}: expected primary, retired or disabled, an id and a pepper")
            yield pepper[1], data[:32]

def read_prefix(token):  # None if the token is not well-formed
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    crc = zlib.crc32(token[:-6])
    check = "".join(digits[crc // 62**n % 62] for n in range(5, -1, -1))
    form = re.fullmatch(rb"([A-Za-z]\w{0,30}_)[0-9A-Za-z]{49}", token)
    return form[1] if form and token.endswith(check.encode()) else None

def decode(text):
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    require(base64.urlsafe_b64encode(data).rstrip(b"=") == text, "there is another text for the same bytes")
    return data

def read_record(text):
    record = re.fullmatch(rb"swt1:(%b):([\w-]{43}):([\w-]{0,3259}):([\w-]{43})" % KEY_ID, text)
    require(record, "it is not a record")
    return record[1], *map(decode, record.groups()[1:])

def len8(field):
    return bytes([len(field)]) + field

def read_claims(data):
    version, scheme, state, mode, single_use = data[:5]
    require(version == 1 and scheme <= 3 and state <= 4 and mode <= 1 and single_use <= 1, "an unknown number")
    not_before, expires = int.from_bytes(data[21:29], "big"), int.from_bytes(data[29:37], "big")
    require(not_before <= LATEST and (expires <= LATEST or expires == NEVER), "a time that is not in seconds")
    rest = io.BytesIO(data[37:])
    number = lambda: int.from_bytes(rest.read(1), "big")
    sized = lambda: rest.read(number())
    subject, scopes, hint, salt = sized(), [sized() for _ in range(number())], sized(), sized()
    encoded = len8(subject) + bytes([len(scopes)]) + b"".join(map(len8, [*scopes, hint, salt]))
    require(encoded == data[37:], "a field is cut off, or something follows")
    require(re.fullmatch("[^\0-\x1f\x7f-\x9f]+", subject.decode()), "a subject with a control character, or none")
    require(1 <= len(scopes) <= 32 and scopes == sorted(set(scopes)), "scopes that are not in order")
    require(all(re.fullmatch(b"[!-~]{1,64}", scope) for scope in scopes), "a scope with another character")
    require(re.fullmatch(b"([0-9A-Za-z]{4})?", hint), "a hint that is not four characters")
    require(1 <= len(salt) <= 64 if scheme >= 2 else not salt, "a salt that is not that of the scheme")
    return Claims(scheme, state, mode, single_use, not_before, expires, scopes, salt)
