"""Verifies a log of sealwax-audit. Written from FORMAT.md alone, with nothing but Python's standard library.
python3 verify.py KEYS LOG [ANCHORS]: the text of the audit keys, a record on each line, an anchor on each line."""
import base64, collections, hashlib, hmac, json, re, sys

def expand(key, *info):  # RFC 5869, to one block
    return hmac.digest(key, b"".join(info) + b"\x01", "sha256")

def sized(data, size=2):
    return len(data).to_bytes(size, "big") + data

def step(key_id):  # "audit-2026@3" is step 3 of "audit-2026", which is step 0
    base, _, digits = key_id.rpartition("@")
    is_step = re.fullmatch("[1-9][0-9]{0,3}", digits) and int(digits) <= 3660
    return (base, int(digits)) if base and is_step else (key_id, 0)

def read_keys(text):
    text = re.sub("(?m)^[ \\t]*#.*", "", text).replace(";", "\n")
    for _, key_id, key in filter(None, map(str.split, text.splitlines())):
        data = base64.urlsafe_b64decode(key.removeprefix("swa1_"))
        assert hashlib.sha256(b"swa1/key" + data[:32]).digest()[:4] == data[32:], "a mistyped key"
        yield key_id, data[:32]

def find(keys, key_id):  # Derives a later step from the nearest earlier one
    base, wanted = step(key_id)
    at = max(n for of, n in map(step, keys) if of == base and n <= wanted)
    key = keys[f"{base}@{at}" if at else base]
    for _ in range(wanted - at):
        key = expand(key, b"swa1/next")
    return keys.setdefault(key_id, key)

def mac(key, record, before):
    raw = [record["time"].to_bytes(8, "big")]
    raw += [(record[name] or "").encode() for name in ("action", "who", "why", "outcome", "key_id")]
    raw += [bytes.fromhex(record[name] or "") for name in ("commitment", "context")]
    start = b"swa1/start" + sized(record["audit_key"].encode(), 1) + sized(record["subject"].encode())
    before = expand(key, start) if before is None else before
    return expand(key, b"swa1/entry", before, record["number"].to_bytes(8, "big"), *map(sized, raw))

Last = collections.namedtuple("Last", "number mac audit_key successor")
keys = dict(read_keys(open(sys.argv[1]).read()))
anchors = [line.rstrip("\n").split(":", 3)[1:] for path in sys.argv[3:] for line in open(path, encoding="utf-8")]
chains = {}  # The last entry of each subject
for record in map(json.loads, open(sys.argv[2], encoding="utf-8")):
    subject, audit_key, begins = record["subject"], record["audit_key"], record["action"] == "swa1/begin"
    last = chains.get(subject, Last(0, None, audit_key, None))
    named = [audit_key, record["key_id"], record["commitment"]] if begins else audit_key
    due = [last.successor, last.audit_key, last.mac and last.mac.hex()] if last.successor else last.audit_key
    computed = mac(find(keys, audit_key), record, None if begins else last.mac)
    anchored = [anchor for anchor in anchors if anchor[::2] == [str(last.number + 1), subject]]
    if record["number"] != last.number + 1 or named != due or record["mac"] != computed.hex() \
            or any(anchor[1] != computed.hex() for anchor in anchored):
        sys.exit(f"{subject}: entry {last.number + 1} is not the one that was appended")
    chains[subject] = Last(last.number + 1, computed, audit_key, record["action"] == "swa1/end" and record["key_id"])
for number, _, subject in anchors:
    if subject not in chains or int(number) > chains[subject].number:
        sys.exit(f"{subject}: entry {number} was cut off")
for subject, last in chains.items():
    print(f"swa1:{last.number}:{last.mac.hex()}:{subject}")
