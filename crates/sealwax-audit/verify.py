"""Verifies a log of sealwax-audit. Written from FORMAT.md alone, with nothing but Python's standard library.
python3 verify.py KEYS LOG [ANCHORS]: the text of the audit keys, a record on each line, an anchor on each line."""
import collections, hmac, re, sys
from records import read_anchor, read_keys, read_lines, read_record

def expand(key, *info):  # RFC 5869, to one block
    return hmac.digest(key, b"".join(info) + b"\x01", "sha256")

def sized(data, size=2):
    return len(data).to_bytes(size, "big") + data

def step(key_id):  # "audit-2026@3" is step 3 of "audit-2026", which is step 0
    base, _, digits = key_id.rpartition("@")
    is_step = re.fullmatch("[1-9][0-9]{0,3}", digits) and int(digits) <= 3660
    return (base, int(digits)) if base and is_step else (key_id, 0)

def find(keys, key_id):  # Derives a later step from the nearest earlier one
    base, wanted = step(key_id)
    earlier = [] if key_id in keys else [n for of, n in map(step, keys) if of == base and n < wanted]
    if earlier:
        key = keys[f"{base}@{max(earlier)}" if max(earlier) else base]
        for n in range(max(earlier), wanted):
            key = keys[f"{base}@{n + 1}"] = expand(key, b"swa1/next")
    return keys.get(key_id)

def mac(key, record, before):
    raw = [record["time"].to_bytes(8, "big")]
    raw += [(record[name] or "").encode() for name in ("action", "who", "why", "outcome", "key_id")]
    raw += [bytes.fromhex(record[name] or "") for name in ("commitment", "context")]
    chain = sized(record["audit_key"].encode(), 1) + sized(record["subject"].encode())
    before = expand(key, b"swa1/start", chain) if before is None else before
    return expand(key, b"swa1/entry", chain, before, record["number"].to_bytes(8, "big"), *map(sized, raw))

Last = collections.namedtuple("Last", "number mac audit_key successor")
keys = {key_id: key for line in read_lines(sys.argv[1], read_keys) for key_id, key in line}
anchors = collections.defaultdict(set)  # The MACs of each number and subject, because two anchors may disagree
for number, expected, subject in (anchor for path in sys.argv[3:] for anchor in read_lines(path, read_anchor)):
    anchors[number, subject].add(expected)
chains = {}  # The last entry of each subject
for record in read_lines(sys.argv[2], read_record):
    subject, audit_key, begins = record["subject"], record["audit_key"], record["action"] == "swa1/begin"
    last = chains.get(subject, Last(0, None, audit_key, None))
    number, key = last.number + 1, find(keys, audit_key)
    named = [audit_key, record["key_id"], record["commitment"]] if begins else audit_key
    due = [last.successor, last.audit_key, last.mac.hex()] if last.successor else last.audit_key
    computed = key and mac(key, record, None if begins else last.mac).hex()
    anchored = anchors.get((number, subject), ())
    if record["number"] != number or named != due or {record["mac"], *anchored} != {computed}:
        sys.exit(f"{subject}: entry {number} is not the one that was appended")
    chains[subject] = Last(number, bytes.fromhex(computed), audit_key, record["action"] == "swa1/end" and record["key_id"])
for number, subject in anchors:
    if subject not in chains or number > chains[subject].number:
        sys.exit(f"{subject}: entry {number} was cut off")
for subject, last in chains.items():
    print(f"swa1:{last.number}:{last.mac.hex()}:{subject}")
