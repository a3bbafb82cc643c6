#!/usr/bin/env python3
"""Makes the known answers on the page FORMAT.md, and opens them, with nothing but HMAC-SHA-256.

It shares no code with the crate. `open_branch` and `open_rebound` are all that another program needs to unwrap the data
keys of such rows: `ask` is its call of the service, which unwraps W, bound to the bytes that it is given.
"""

import hashlib
import hmac


class Altered(Exception):
    """The wrap was altered, moved here from another row, or is no wrap."""


def expand(key, info, length):
    return hmac.new(key, info + b"\1", hashlib.sha256).digest()[:length]


def bind(suite, key_id, commitment):
    return bytes([1, suite, len(key_id)]) + key_id + commitment


def branch_id(key):
    return expand(key, b"sw1/branch", 32)


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other))


def local(key, bound, data_key):
    salt = expand(key, b"sw1/salt" + bound + data_key, 24)
    return expand(key, b"sw1/check", 4) + salt + xor(data_key, expand(key, b"sw1/wrap" + salt, 32))


def open_local(key, bound, body):
    salt = body[4:28]
    data_key = xor(body[28:], expand(key, b"sw1/wrap" + salt, 32))
    if not hmac.compare_digest(local(key, bound, data_key), body) or len(set(data_key)) == 1:
        raise Altered
    return data_key


def split(body):
    """Splits len16 || W || local body(60)."""
    end = 2 + int.from_bytes(body[:2], "big")
    if end < 3 or len(body) != end + 60:
        raise Altered
    return body[2:end], body[end:]


def branch(key, wrapped, bound, data_key):
    return branch_id(key) + len(wrapped).to_bytes(2, "big") + wrapped + local(key, bound, data_key)


def rebound(key, wrapped, bound, data_key):
    return len(wrapped).to_bytes(2, "big") + wrapped + local(key, bound, data_key)


def open_branch(body, suite, key_id, commitment, ask):
    name = body[:32]
    wrapped, inner = split(body[32:])
    key = ask(wrapped, bind(suite, key_id, name))
    if not hmac.compare_digest(branch_id(key), name):
        raise Altered
    return open_local(key, bind(suite, key_id, commitment), inner)


def open_rebound(body, suite, key_id, commitment, ask):
    wrapped, inner = split(body)
    return open_local(ask(wrapped, b""), bind(suite, key_id, commitment), inner)


def counting(first):
    return bytes(range(first, first + 32))


def main():
    key, data_key, commitment = counting(0x40), counting(0x00), counting(0x80)
    key_id, wrapped = b"kms/2026", b"what the service made of the key"
    asked = {"key_id": key_id, "key": key, "W": wrapped, "data_key": data_key, "commitment": commitment}
    for name, value in asked.items():
        print(name, value.decode() if name in ("key_id", "W") else value.hex())
    print("branch_id", branch_id(key).hex())
    refused = 0
    for kind, make, unwrap in (("branch", branch, open_branch), ("rebound", rebound, open_rebound)):
        for suite, suite_name in ((1, "a256gcm"), (2, "c20p")):
            bound = bind(suite, key_id, commitment)
            body = make(key, wrapped, bound, data_key)
            print(kind, suite_name, body.hex())

            def ask(given, bound_to, expected=bind(suite, key_id, branch_id(key)) if kind == "branch" else b""):
                if (given, bound_to) != (wrapped, expected):
                    raise Altered
                return key

            assert unwrap(body, suite, key_id, commitment, ask) == data_key
            altered = [body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] for at in range(len(body))]
            for changed in [*altered, body[:-1], body + b"\0", b""]:
                try:
                    unwrap(changed, suite, key_id, commitment, ask)
                except Altered:
                    refused += 1
    assert refused == 2 * (32 + 2 + 32 + 60 + 3) + 2 * (2 + 32 + 60 + 3), refused


if __name__ == "__main__":
    main()
