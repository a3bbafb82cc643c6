"""A writer of the sealwax envelope format, version 1, made from the format page alone.

It answers each line {"suite": …, "keyring": …, "context": [[name, value], …], "plaintext": hex} of
stdin with {"text": …, "binary": hex, "context": hex of the encoded context} or {"error": class}. For
known answers also "random", data key || iv, and "opaque", {"id": …, "body": …} of wraps by a
provider: hex.
"""

import os

from page import MAX_PLAINTEXT, SUITES, answer_lines, bind, check_value, derive, encode64
from page import encode_context, expand, head_of, mac_of, parse_keyring, require, wrap_cipher


def wrap(master, suite, key_id, commitment, dek):
    bound = bind(suite, key_id, commitment)
    salt = expand(master, b"sw1/salt" + bound + dek, 24)
    sealed = wrap_cipher(master, suite, salt).encrypt(salt[12:], dek, bound)
    return b"\1" + check_value(master) + salt + sealed


def seal(row):
    keys, context = parse_keyring(row["keyring"]), encode_context(row["context"])
    suite, plaintext = SUITES[row["suite"]], bytes.fromhex(row["plaintext"])
    require(len(plaintext) <= MAX_PLAINTEXT, "too_long")
    random = bytes.fromhex(row["random"]) if "random" in row else os.urandom(44)
    dek, iv = random[:32], random[32:]
    cipher, commitment = derive(dek, suite, iv, context)
    sealed = cipher.encrypt(iv, plaintext, b"")
    ciphertext, tag = sealed[:-16], sealed[-16:]

    wraps = {key_id: wrap(*master, suite, key_id, commitment, dek)
             for state, key_id, *master in keys if state in ("primary", "escrow")}
    for opaque in row.get("opaque", []):
        wraps[opaque["id"].encode()] = b"\2" + bytes.fromhex(opaque["body"])
    head = head_of(suite, wraps, commitment)
    mac = mac_of(dek, head, iv, tag)

    named = ",".join(key_id.decode() + "=" + encode64(body) for key_id, body in wraps.items())
    fields = [encode64(field) for field in (commitment + mac, iv, tag, ciphertext)]
    return {
        "text": ":".join(["sw1", row["suite"], named, *fields]),
        "binary": (head + mac + iv + tag + ciphertext).hex(),
        "context": context.hex(),
    }


answer_lines(seal)
