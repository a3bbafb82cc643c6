"""What a reader and a writer of the sealwax envelope format, version 1, share: the notation, the
derivations, contexts and keyrings. Made from the format page alone; open.py reads, seal.py writes.
"""

import base64
import hashlib
import hmac
import json
import re
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

SUITES = {"a256gcm": 1, "c20p": 2}
AEADS = {1: AESGCM, 2: ChaCha20Poly1305}
KEY_ID = re.compile(b"[A-Za-z0-9][A-Za-z0-9._/@-]{0,127}")
MAX_PLAINTEXT = 16777216


class Refused(Exception):
    """With the class of the error."""


def require(holds, error):
    if not holds:
        raise Refused(error)


def u8(n): return n.to_bytes(1, "big")
def u16(n): return n.to_bytes(2, "big")
def hmac256(key, data): return hmac.digest(key, data, "sha256")
def expand(prk, info, n):
    first = hmac256(prk, info + b"\1")
    return (first + hmac256(prk, first + info + b"\2"))[:n]


def encode64(data): return base64.urlsafe_b64encode(data).decode().rstrip("=")
def decode64(text, error):
    require(re.fullmatch("[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, error)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(encode64(data) == text, error)  # the unused bits are zero
    return data


def encode_context(pairs):
    try:
        pairs = sorted((name.encode(), value.encode()) for name, value in pairs)
    except UnicodeEncodeError:
        raise Refused("context") from None
    require(len(pairs) <= 32 and len(dict(pairs)) == len(pairs), "context")
    require(all(1 <= len(name) <= 64 and len(value) <= 1024 for name, value in pairs), "context")
    return u16(len(pairs)) + b"".join(u16(len(x)) + x for pair in pairs for x in pair)


def parse_keyring(text):
    """(state, key id, master key if there is one) of each entry, the primary first."""
    lines = (line.removesuffix("\r").strip(" \t") for line in text.split("\n"))
    entries = (part.strip(" \t") for line in lines if line[:1] != "#" for part in line.split(";"))
    keys = [parse_entry(*re.split("[ \t]+", entry)) for entry in entries if entry]
    states, ids = [key[0] for key in keys], {key[1].lower() for key in keys}
    require(states.count("primary") == 1 and states.count("escrow") <= 7, "keyring")
    require(len(ids) == len(keys) <= 1024, "keyring")
    return sorted(keys, key=lambda key: key[0] != "primary")  # the others stay in their order


def parse_entry(state, *fields):
    gone = state in ("disabled", "destroyed")
    require(gone or state in ("primary", "retired", "escrow"), "keyring")
    require(len(fields) == 2 or (gone and len(fields) == 1), "keyring")
    key_id = fields[0].encode(errors="replace")
    require(KEY_ID.fullmatch(key_id) and b"swk1_" not in key_id, "keyring")
    return state, key_id, *map(parse_master_key, fields[1:])


def parse_master_key(text):
    require(text.startswith("swk1_") and len(text) == 53, "keyring")
    data = decode64(text[5:], "keyring")
    key, checksum = data[:32], data[32:]
    require(hashlib.sha256(b"sw1/key" + key).digest()[:4] == checksum, "keyring")
    require(key != key[:1] * 32, "keyring")
    return key


def derive(dek, suite, iv, context):
    """The cipher of the payload, and the commitment."""
    okm = expand(dek, b"sw1/data" + u8(suite) + iv + hashlib.sha256(context).digest(), 64)
    return AEADS[suite](okm[:32]), okm[32:]


def check_value(master): return expand(master, b"sw1/check", 4)
def bind(suite, key_id, commitment):
    return b"\1" + u8(suite) + u8(len(key_id)) + key_id + commitment
def wrap_cipher(master, suite, salt):
    return AEADS[suite](expand(master, b"sw1/wrap" + u8(suite) + salt, 32))


def head_of(suite, wraps, commitment):
    parts = (u8(len(key_id)) + key_id + u16(len(body)) + body for key_id, body in wraps.items())
    return b"SW\1" + u8(suite) + u8(len(wraps)) + b"".join(parts) + commitment
def mac_of(dek, head, iv, tag): return hmac256(dek, b"sw1/mac" + head + iv + tag)[:16]


def answer_lines(answer):
    """One answer on stdout for each line of stdin, both JSON."""
    for line in sys.stdin.buffer:
        try:
            print(json.dumps(answer(json.loads(line))))
        except Refused as error:
            print(json.dumps({"error": str(error)}))
