"""The sealwax envelope format, version 1: the reader. Written from the format page and its known answers alone.

stdin, one per line:  {"text": … or "binary": hex, "keyring": …, "context": [[name, value], …]}
stdout, one per line: {"plaintext": hex} or {"error": class}
"""
import io
import re
from collections import namedtuple

from cryptography.exceptions import InvalidTag

from page import (MAX_PLAINTEXT, OPENING_STATES, REFUSED_STATES, Refused, check_wraps, decode_base64url, decode_hex,
                  derive, encode_context, envelope_mac, equal, find_suite, head, is_weak, local_check, local_pad,
                  local_salt, parse_keyring, refuse_if, serve, xor)

Envelope = namedtuple("Envelope", "suite wraps commitment mac iv tag ciphertext")


def checked(envelope):
    check_wraps(envelope.wraps)
    refuse_if(len(envelope.ciphertext) > MAX_PLAINTEXT, "format")
    return envelope


# Binary form [8]

def parse_binary(data):
    refuse_if(data[:2] == b"SW" and data[2:3] > b"\x01", "newer_version")
    stream = io.BytesIO(data)

    def take(n):
        part = stream.read(n)
        refuse_if(len(part) != n, "format")
        return part

    def take_number(n):
        return int.from_bytes(take(n), "big")

    def take_wrap():
        key_id = take(take_number(1)).decode("latin-1")  # one character per byte, checked by check_wraps
        return key_id, take(take_number(2))

    refuse_if(take(3) != b"SW\x01", "format")
    suite_id = take_number(1)
    suite = find_suite(lambda suite: suite.id == suite_id)
    wraps = [take_wrap() for _ in range(take_number(1))]
    return checked(Envelope(suite, wraps, take(32), take(16), take(12), take(16), stream.read()))


# Text form [9]

def parse_text(text):
    version = re.match("sw([1-9][0-9]{0,2}):", text)
    refuse_if(version and 2 <= int(version[1]) <= 255, "newer_version")
    fields = text.split(":", 7)
    refuse_if(len(fields) != 7 or fields[0] != "sw1", "format")
    suite = find_suite(lambda suite: suite.text == fields[1])
    wraps = [parse_wrap(wrap) for wrap in fields[2].split(",", 8)]
    proof, iv, tag = decode_field(fields[3], 48), decode_field(fields[4], 12), decode_field(fields[5], 16)
    return checked(Envelope(suite, wraps, proof[:32], proof[32:], iv, tag, decode_field(fields[6])))


def parse_wrap(text):
    key_id, _, wrapped = text.partition("=")
    return key_id, decode_field(wrapped)


def decode_field(text, length=None):
    data = decode_base64url(text)
    refuse_if(data is None or length not in (None, len(data)), "format")
    return data


# The procedures [11]

def unwrap_local(master, key_id, suite, commitment, wrapped):
    refuse_if(wrapped[0] != 1, "wrong_wrap_kind")
    refuse_if(len(wrapped) != 61, "wrap_altered")
    refuse_if(not equal(wrapped[1:5], local_check(master)), "wrong_key_material")
    salt = wrapped[5:29]
    dek = xor(wrapped[29:], local_pad(master, salt))
    refuse_if(not equal(salt, local_salt(master, key_id, suite, commitment, dek)), "wrap_altered")
    refuse_if(is_weak(dek), "wrap_altered")
    return dek


def data_key_under(entry, wrapped, envelope):
    if isinstance(entry.key, bytes):
        unwrap = unwrap_local
    else:
        from sealing import unwrap_hpke as unwrap  # which needs ML-KEM
    dek = unwrap(entry.key, entry.id, envelope.suite, envelope.commitment, wrapped)
    envelope_head = head(envelope.suite, envelope.wraps, envelope.commitment)
    mac = envelope_mac(dek, envelope_head, envelope.iv, envelope.tag, envelope.ciphertext)
    refuse_if(not equal(mac, envelope.mac), "envelope_altered")
    return dek


def data_key(keyring, envelope):
    wraps = dict(envelope.wraps)
    entries = [entry for entry in keyring if entry.id in wraps]
    states = {entry.state for entry in entries}
    candidates = [entry for entry in entries if entry.state in OPENING_STATES]
    if not candidates:
        for state in REFUSED_STATES:
            refuse_if(state in states, "key_" + state)
        raise Refused("unknown_key")
    refuse_if("leaked" in states, "key_leaked")
    failures = []
    for entry in candidates:
        try:
            return data_key_under(entry, wraps[entry.id], envelope)
        except Refused as failure:
            failures.append(failure)
    raise failures[0]


def open_envelope(keyring, envelope, context):
    dek = data_key(keyring, envelope)
    key, commitment = derive(dek, envelope.suite, envelope.iv, context)
    refuse_if(not equal(commitment, envelope.commitment), "context_mismatch")
    try:
        return envelope.suite.aead(key).decrypt(envelope.iv, envelope.ciphertext + envelope.tag, b"")
    except InvalidTag:
        raise Refused("payload_altered") from None


def answer(request):
    keyring = parse_keyring(request["keyring"])
    context = encode_context(request.get("context"))
    envelope = parse_text(request["text"]) if "text" in request else parse_binary(decode_hex(request["binary"]))
    return {"plaintext": open_envelope(keyring, envelope, context).hex()}


if __name__ == "__main__":
    serve(answer)
