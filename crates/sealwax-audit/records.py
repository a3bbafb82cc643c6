"""Reads the keys, the records and the anchors for verify.py, and refuses what FORMAT.md does not allow."""
import base64, hashlib, json, re, sys

TEXT, HEX = "[^\0-\x1f\x7f-\x9f]*", "[0-9a-f]{64}"  # A text has no control characters
KEY_ID = r"(?!\S*[Ss][Ww][A-Za-z]{1,2}1_)[A-Za-z0-9][A-Za-z0-9._/@-]*"
FIELDS = {  # The form of each, and the least and most: of a number, or of the bytes of a text
    "subject": (TEXT, 1, 1024), "number": (None, 1, 2**53 - 1), "time": (None, 0, 2**53 - 1),
    "action": (TEXT, 1, 64), "who": (TEXT, 1, 1024), "why": (TEXT, 0, 1024), "outcome": (TEXT, 0, 64),
    "key_id": (KEY_ID, 1, 128), "commitment": (HEX, 64, 64), "context": (HEX, 64, 64),
    "audit_key": (KEY_ID, 1, 128), "mac": (HEX, 64, 64)}
OPTIONAL = ["key_id", "commitment", "context"]
SHAPES = {"swa1/end": ["key_id"], "swa1/begin": ["key_id", "commitment"]}  # Which of the optional ones are there

def check(name, value):
    form, least, most = FIELDS[name]
    if value is None and name in OPTIONAL:
        return value
    fits = type(value) is (str if form else int) and least <= (len(value.encode()) if form else value) <= most
    if not fits or form and not re.fullmatch(form, value):  # True would be an int for isinstance
        raise ValueError(f"{name} holds what no record has")
    return value

def read_record(line):
    unsigned = lambda digits: float(digits) if digits.startswith("-") else int(digits)  # -0 has a sign
    members = json.loads(line, object_pairs_hook=tuple, parse_int=unsigned)
    if type(members) is not tuple or sorted(name for name, _ in members) != sorted(FIELDS):
        raise ValueError("it is not an object that has each field once")
    record = {name: check(name, value) for name, value in members}
    present = [name for name in OPTIONAL if record[name] is not None]
    if record["action"].startswith("swa1/") and present != SHAPES.get(record["action"]):
        raise ValueError("its action is reserved")
    return record

def read_anchor(line):
    anchor = re.fullmatch(f"swa1:([1-9][0-9]*):({HEX}):(.*)", line)
    if not anchor:
        raise ValueError("it is not an anchor")
    return check("number", int(anchor[1])), anchor[2], check("subject", anchor[3])

def read_keys(line):
    entries = [] if re.match("[ \t]*#", line) else filter(str.strip, line.split(";"))
    return [read_key(entry) for entry in entries]

def read_key(entry):
    key = re.fullmatch(f"[ \t]*(?:primary|retired)[ \t]+({KEY_ID})[ \t]+swa1_([A-Za-z0-9_-]{{48}})[ \t]*", entry)
    data = base64.urlsafe_b64decode(key[2]) if key else b""
    if hashlib.sha256(b"swa1/key" + data[:32]).digest()[:4] != data[32:]:
        raise ValueError("expected primary or retired, an id and a key")
    return key[1], data[:32]

def read_lines(path, read):
    at = 0
    for at, line in enumerate(open(path, encoding="utf-8", errors="surrogateescape", newline="\n"), 1):
        try:
            yield read(re.sub("\r?\n$", "", line))
        except (ValueError, RecursionError) as error:
            sys.exit(f"line {at} of {path}: {error}")
    if at == 0:
        sys.exit(f"{path} is empty")
