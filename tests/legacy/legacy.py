"""Writes and reads rows as their own stacks do, with Python's `cryptography` and no other packages.

    python3 legacy.py make SEED    makes rows of every kind below from the seed, and writes them to stdout
    python3 legacy.py open         reads rows from stdin, opens and compares each, and reports how many

Both use the format of tests/vectors/legacy. The other kinds are in legacy.mjs.

The rows of Elixir's Cloak and of LiteLLM's version 3 are written here from their layouts. For LiteLLM's
version 2 and SQLAlchemy-Utils, the generator in that folder compares the rows, byte for byte, with those
that the packages themselves write.
"""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Draws:
    """Bytes that are the same for the same seed, and otherwise look random."""

    def __init__(self, seed):
        self.seed, self.count, self.left = seed, 0, b""

    def __call__(self, length):
        while len(self.left) < length:
            self.left += hashlib.sha256(f"{self.seed}/{self.count}".encode()).digest()
            self.count += 1
        drawn, self.left = self.left[:length], self.left[length:]
        return drawn


def raw_key(key):
    """Return the 32 bytes of a key, from its text."""
    text = key["text"]
    match key["as"]:
        case "sha256":
            return hashlib.sha256(text.encode()).digest()
        case "sha256-of-bytes":
            return hashlib.sha256(bytes.fromhex(text)).digest()
        case "hkdf-litellm-v3":
            derivation = HKDF(SHA256(), 32, salt=None, info=b"litellm-at-rest-v3")
            return derivation.derive(text.encode())
        case "hex":
            return bytes.fromhex(text)
        case "base64":
            return base64.b64decode(text, validate=True)
        case other:
            raise ValueError(f"unknown key derivation: {other}")


def seal(key, iv, plaintext, associated_data=None):
    sealed = AESGCM(raw_key(key)).encrypt(iv, plaintext, associated_data)
    return sealed[:-16], sealed[-16:]


def unseal(key, iv, ciphertext, tag, associated_data=None):
    return AESGCM(raw_key(key)).decrypt(iv, ciphertext + tag, associated_data)


class ColumnsBytes:
    """Three columns of bytes: blob, IV, tag. Bytes are hex in JSON."""

    ivs = [12, 16]

    def new_key(self, draw):
        return {"text": draw(32).hex(), "as": "hex"}

    def write(self, key, plaintext, iv):
        ciphertext, tag = seal(key, iv, plaintext)
        return [ciphertext.hex(), iv.hex(), tag.hex()]

    def read(self, key, columns):
        ciphertext, iv, tag = map(bytes.fromhex, columns)
        return unseal(key, iv, ciphertext, tag)


class LiteLlm:
    """`v2:gcm:` or `v3:gcm:`, then base64url(IV ‖ ciphertext ‖ tag) with padding."""

    ivs = [12]

    def __init__(self, prefix, derivation):
        self.prefix, self.derivation = prefix, derivation

    def new_key(self, draw):
        return {"text": "sk-salt-é-" + draw(16).hex(), "as": self.derivation}

    def write(self, key, plaintext, iv):
        sealed = iv + b"".join(seal(key, iv, plaintext))
        return [self.prefix + base64.urlsafe_b64encode(sealed).decode()]

    def read(self, key, columns):
        sealed = base64.urlsafe_b64decode(columns[0].removeprefix(self.prefix))
        return unseal(key, sealed[:12], sealed[12:-16], sealed[-16:])


class SqlAlchemyUtils:
    """base64(IV ‖ tag ‖ ciphertext) with padding."""

    ivs = [12]

    def new_key(self, draw):
        return {"text": "correct horse é " + draw(16).hex(), "as": "sha256"}

    def write(self, key, plaintext, iv):
        ciphertext, tag = seal(key, iv, plaintext)
        return [base64.b64encode(iv + tag + ciphertext).decode()]

    def read(self, key, columns):
        sealed = base64.b64decode(columns[0], validate=True)
        return unseal(key, sealed[:12], sealed[28:], sealed[12:28])


class Cloak:
    """0x01 ‖ length of label ‖ label ‖ IV ‖ tag ‖ ciphertext, in one column of bytes."""

    def __init__(self, iv_length):
        self.ivs = [iv_length]

    def new_key(self, draw):
        return {"text": base64.b64encode(draw(32)).decode(), "as": "base64", "name": "AES.GCM.V1"}

    def write(self, key, plaintext, iv):
        label = key["name"].encode()
        ciphertext, tag = seal(key, iv, plaintext, b"AES256GCM")
        return [(bytes([1, len(label)]) + label + iv + tag + ciphertext).hex()]

    def read(self, key, columns):
        row, label, [iv_length] = bytes.fromhex(columns[0]), key["name"].encode(), self.ivs
        head = bytes([1, len(label)]) + label
        if not row.startswith(head):
            raise ValueError("wrong label")
        row = row.removeprefix(head)
        iv, tag, ciphertext = row[:iv_length], row[iv_length:][:16], row[iv_length + 16 :]
        return unseal(key, iv, ciphertext, tag, b"AES256GCM")


KINDS = {
    "columns-bytes": ColumnsBytes(),
    "litellm-v2": LiteLlm("v2:gcm:", "sha256"),
    "litellm-v3": LiteLlm("v3:gcm:", "hkdf-litellm-v3"),
    "sqlalchemy-utils": SqlAlchemyUtils(),
    "cloak-iv16": Cloak(16),
    "cloak-iv12": Cloak(12),
}


def make(seed):
    made = []
    for name, kind in KINDS.items():
        draw = Draws(f"{seed}/{name}")
        keys, rows = [kind.new_key(draw), kind.new_key(draw)], []
        for i in range(20):
            # Text, because some stacks store nothing else; half of its characters are not ASCII.
            length = int.from_bytes(draw(2), "big") % 301
            plaintext = draw(length).decode("latin-1").encode()
            columns = kind.write(keys[i % 2], plaintext, draw(kind.ivs[i % len(kind.ivs)]))
            rows.append({"key": i % 2, "plaintext": plaintext.hex(), "columns": columns})
        made.append({"kind": name, "made_with": "cryptography", "keys": keys, "rows": rows})
    return made


def open_all(files):
    opened = {}
    for file in files:
        name, kind = file["kind"], KINDS[file["kind"]]
        for number, row in enumerate(file["rows"]):
            found = kind.read(file["keys"][row["key"]], row["columns"])
            if found.hex() != row["plaintext"]:
                raise ValueError(f"{name} {number}: wrong plaintext")
        opened[name] = len(file["rows"])
    return opened


if __name__ == "__main__":
    done = make(sys.argv[2]) if sys.argv[1] == "make" else open_all(json.load(sys.stdin.buffer))
    json.dump(done, sys.stdout)
