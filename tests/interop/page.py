"""The sealwax envelope format, version 1: what the reader (open.py) and the writer (seal.py) share.

Written from the format page and its known answers alone; numbers in brackets are sections of that page. The page
asks for secrets to be wiped after use. Python cannot promise that, and this code does not try.
"""
import base64, binascii, hashlib, hmac, json, re, sys
from collections import namedtuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

MAX_PLAINTEXT = 16_777_216


class Refused(Exception):
    """A rejected input. Its one argument is the class of the error."""


def refuse_if(condition, error_class):
    if condition:
        raise Refused(error_class)


# Notation [1]

def u8(n): return n.to_bytes(1, "big")
def u16(n): return n.to_bytes(2, "big")
def u32(n): return n.to_bytes(4, "big")
def len8(x): return u8(len(x)) + x
def sha256(data): return hashlib.sha256(data).digest()
def hmac_sha256(key, data): return hmac.digest(key, data, "sha256")
def expand(prk, info, n): return hmac_sha256(prk, info + b"\x01")[:n]
def equal(a, b): return hmac.compare_digest(a, b)  # in constant time
def xor(a, b): return bytes(x ^ y for x, y in zip(a, b))


def encode_base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text):
    """Return the bytes, or None. Python's decoder skips unknown characters; canonical text encodes back."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if encode_base64url(data) == text else None


def decode_hex(text):
    try:
        return binascii.unhexlify(text)  # bytes.fromhex would skip whitespace
    except ValueError:
        raise Refused("format") from None


# Suites [2] and key ids [3]

Suite = namedtuple("Suite", "id text aead")
SUITES = [Suite(1, "a256gcm", AESGCM), Suite(2, "c20p", ChaCha20Poly1305)]


def find_suite(matches):
    for suite in SUITES:
        if matches(suite):
            return suite
    raise Refused("format")


def is_key_id(text):
    looks_like_a_key = re.search("[Ss][Ww][A-Za-z]{1,2}1_", text)
    return bool(re.fullmatch("[A-Za-z0-9][A-Za-z0-9._/@-]{0,127}", text)) and not looks_like_a_key


# Context [4]

def is_pair(pair):
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)


def encode_context(pairs):
    refuse_if(not isinstance(pairs, list) or len(pairs) > 32 or not all(map(is_pair, pairs)), "context")
    try:
        encoded = [(name.encode("utf-8"), value.encode("utf-8")) for name, value in pairs]
    except UnicodeEncodeError:  # a lone surrogate
        raise Refused("context") from None
    refuse_if(len({name for name, _ in encoded}) != len(encoded), "context")
    out = u16(len(encoded))
    for name, value in sorted(encoded):  # bytes compare as unsigned bytes
        refuse_if(not 1 <= len(name) <= 64 or len(value) > 1024, "context")
        out += u16(len(name)) + name + u16(len(value)) + value
    return out


# Payload [5]: the key and the commitment

def is_weak(key):
    return len(set(key)) == 1  # one byte 32 times


def derive(dek, suite, iv, context):
    bound = u8(suite.id) + iv + sha256(context)
    return expand(dek, b"sw1/data" + bound, 32), expand(dek, b"sw1/comm" + bound, 32)


# Wrapped keys [6]: the parts of a local wrap

def local_salt(master, key_id, suite, commitment, dek):
    bind = b"\x01" + u8(suite.id) + len8(key_id.encode("ascii")) + commitment
    return expand(master, b"sw1/salt" + bind + dek, 24)


def local_pad(master, salt):
    return expand(master, b"sw1/wrap" + salt, 32)


def local_check(master):
    return expand(master, b"sw1/check", 4)


# Envelope [8]: wraps are (key id, wrapped) in their order

def check_wraps(wraps):
    refuse_if(not 1 <= len(wraps) <= 8, "format")
    refuse_if(len({key_id for key_id, _ in wraps}) != len(wraps), "format")
    for key_id, wrapped in wraps:
        refuse_if(not is_key_id(key_id) or not 2 <= len(wrapped) <= 65535 or wrapped[0] == 0, "format")


def head(suite, wraps, commitment):
    out = b"SW\x01" + u8(suite.id) + u8(len(wraps))
    for key_id, wrapped in wraps:
        out += len8(key_id.encode("ascii")) + u16(len(wrapped)) + wrapped
    return out + commitment


def envelope_mac(dek, head, iv, tag, ciphertext):
    return hmac_sha256(dek, b"sw1/mac" + head + iv + tag + u32(len(ciphertext)))[:16]


# Master keys and keyrings as text [12]

Entry = namedtuple("Entry", "state id key")
OPENING_STATES = ("primary", "retired", "escrow")  # an escrow with a sealing key is "offline"
REFUSED_STATES = ("destroyed", "leaked", "disabled")  # in the order in which they are reported [11]


def has_checksum(label, data):
    return sha256(label + data[:-4])[:4] == data[-4:]


def parse_master_key(text):
    data = decode_base64url(text[5:]) if text.startswith("swk1_") else None
    refuse_if(data is None or len(data) != 36 or not has_checksum(b"sw1/key", data), "keyring")
    refuse_if(is_weak(data[:32]), "keyring")
    return data[:32]


def parse_pairs_key(text):
    """Return the bytes of an opening key or a sealing key."""
    data, length = decode_base64url(text[5:]), 64 if text.startswith("swo1_") else 1248
    refuse_if(data is None or len(data) != length + 4 or not has_checksum(b"sw1/key", data), "keyring")
    refuse_if(is_weak(data[length - 32:length]), "keyring")
    return data[:length]


def parse_key(state, text):
    """Return the state, and the key if it opens: 32 bytes of a master key, or an OpeningKey [7]."""
    if not text.startswith(("swo1_", "sws1_")):
        return state, parse_master_key(text)
    from sealing import OpeningKey, is_public_key  # which needs ML-KEM
    key = parse_pairs_key(text)
    if text.startswith("swo1_"):
        refuse_if(is_weak(key[:32]), "keyring")
        return state, OpeningKey(key[:32], key[32:])
    refuse_if(state in ("primary", "retired") or not is_public_key(key), "keyring")
    return "offline" if state == "escrow" else state, key


def materials(key):
    """Return what no keyring may have under two ids: a master key, or the public key and the psk of a pair."""
    if len(key) == 1248:
        return [key[:1216], key[1216:]]
    return [key] if isinstance(key, bytes) else [key.public_key(), key.psk]


def is_key_without_prefix(key_id):
    data = decode_base64url(key_id) or b""
    if len(data) == 36:  # 48 characters
        return has_checksum(b"sw1/key", data) or has_checksum(b"swkt1/key", data)
    return len(data) == 68 and has_checksum(b"sw1/key", data)  # 91 characters


def parse_entry(fields):
    state = fields[0]
    refuse_if(state not in OPENING_STATES + REFUSED_STATES, "keyring")
    refuse_if(len(fields) != 3 and not (len(fields) == 2 and state in REFUSED_STATES), "keyring")
    refuse_if(not is_key_id(fields[1]) or is_key_without_prefix(fields[1]), "keyring")
    state, key = parse_key(state, fields[2]) if len(fields) == 3 else (state, None)
    return Entry(state, fields[1], key)


def parse_keyring(text):
    """Return the entries: the primary first, the others in keyring order."""
    entries = []
    for line in text.split("\n"):
        line = line[:-1] if line.endswith("\r") else line
        refuse_if("\r" in line, "keyring")
        if line.lstrip(" \t").startswith("#"):
            continue
        for piece in line.split(";"):
            # Splitting only at spaces and tabs leaves other whitespace, a byte-order mark and "#" inside a field, and
            # no field may contain them.
            fields = [field for field in re.split("[ \t]+", piece) if field]
            if fields:
                entries.append(parse_entry(fields))
    states = [entry.state for entry in entries]
    escrows = states.count("escrow") + states.count("offline")
    refuse_if(len(entries) > 1024 or states.count("primary") != 1 or escrows > 7, "keyring")
    refuse_if(len({entry.id.lower() for entry in entries}) != len(entries), "keyring")
    keys = [material for entry in entries if entry.key for material in materials(entry.key)]
    refuse_if(len(set(keys)) != len(keys), "keyring")
    kept = [entry if entry.state in OPENING_STATES else entry._replace(key=None) for entry in entries]
    return sorted(kept, key=lambda entry: entry.state != "primary")


# Not from the page: reads one JSON object per line, and writes one per line.

def serve(answer):
    for line in sys.stdin.buffer:
        try:
            reply = answer(json.loads(line.decode("utf-8")))
        except Refused as refused:
            reply = {"error": refused.args[0]}
        print(json.dumps(reply), flush=True)
