"""A reader of the sealwax envelope format, version 1, made from the format page alone.

It answers each line {"text": … or "binary": hex, "keyring": …, "context": [[name, value], …]} of
stdin with {"plaintext": hex} or {"error": class}.
"""

import hmac
import io
import re

from cryptography.exceptions import InvalidTag

from page import AEADS, KEY_ID, MAX_PLAINTEXT, SUITES, Refused, answer_lines, bind, check_value
from page import decode64, derive, encode_context, head_of, mac_of, parse_keyring, require
from page import wrap_cipher


def parse_text(text):
    version = re.match("sw([0-9]+):", text)
    require(not version or version[1] == "1", "newer_version")
    fields = text.split(":")
    require(len(fields) == 7 and fields[0] == "sw1" and fields[1] in SUITES, "format")
    wraps = [wrap.split("=") for wrap in fields[2].split(",")]
    require(all(len(wrap) == 2 for wrap in wraps), "format")
    wraps = [(key_id.encode(errors="replace"), decode64(body, "format")) for key_id, body in wraps]
    proof, iv, tag, ciphertext = (decode64(field, "format") for field in fields[3:])
    return checked(SUITES[fields[1]], wraps, proof[:32], proof[32:], iv, tag, ciphertext)


def parse_binary(data):
    take = io.BytesIO(data).read  # gives less at the end; the lengths that follow are then wrong
    def number(size): return int.from_bytes(take(size), "big")
    require(take(2) == b"SW", "format")
    require(take(1) in (b"\1", b""), "newer_version")
    suite, count = number(1), number(1)
    wraps = [(take(number(1)), take(number(2))) for _ in range(count)]
    return checked(suite, wraps, take(32), take(16), take(12), take(16), take())


def checked(suite, wraps, commitment, mac, iv, tag, ciphertext):
    """The parts of an envelope of either form, if they keep all limits."""
    require(suite in AEADS and 1 <= len(wraps) <= 8, "format")
    require(all(KEY_ID.fullmatch(key_id) for key_id, _ in wraps), "format")
    require(len(dict(wraps)) == len(wraps), "format")
    require(all(2 <= len(body) <= 65535 and body[0] != 0 for _, body in wraps), "format")
    require([len(commitment), len(mac), len(iv), len(tag)] == [32, 16, 12, 16], "format")
    require(len(ciphertext) <= MAX_PLAINTEXT, "format")
    return suite, dict(wraps), commitment, mac, iv, tag, ciphertext


def decrypt(cipher, iv, data, bound, error):
    try:
        return cipher.decrypt(iv, data, bound)
    except InvalidTag:
        raise Refused(error) from None


def unwrap(master, suite, key_id, commitment, body):
    require(len(body) == 77 and body[0] == 1, "wrap_altered")
    check, salt, sealed = body[1:5], body[5:29], body[29:]
    require(hmac.compare_digest(check, check_value(master)), "wrong_key_material")
    cipher, bound = wrap_cipher(master, suite, salt), bind(suite, key_id, commitment)
    return decrypt(cipher, salt[12:], sealed, bound, "wrap_altered")


def data_key(keys, suite, wraps, commitment, mac, iv, tag):
    keys = [key for key in keys if key[1] in wraps]
    refused = []
    for _, key_id, *master in (key for key in keys if key[0] not in ("disabled", "destroyed")):
        try:
            dek = unwrap(*master, suite, key_id, commitment, wraps[key_id])
            found = mac_of(dek, head_of(suite, wraps, commitment), iv, tag)
            require(hmac.compare_digest(found, mac), "envelope_altered")
            return dek
        except Refused as error:
            refused.append(error)
    if refused:
        raise refused[0]
    for state in ("destroyed", "disabled"):
        require(all(key[0] != state for key in keys), "key_" + state)
    raise Refused("unknown_key")


def open_envelope(row):
    keys, context = parse_keyring(row["keyring"]), encode_context(row["context"])
    parts = parse_text(row["text"]) if "text" in row else parse_binary(bytes.fromhex(row["binary"]))
    suite, _, committed, _, iv, tag, ciphertext = parts
    cipher, commitment = derive(data_key(keys, *parts[:6]), suite, iv, context)
    require(hmac.compare_digest(commitment, committed), "context_mismatch")
    return {"plaintext": decrypt(cipher, iv, ciphertext + tag, b"", "payload_altered").hex()}


answer_lines(open_envelope)
