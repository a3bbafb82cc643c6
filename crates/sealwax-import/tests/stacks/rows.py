"""Writes a row of Rails Active Record Encryption, and one with a key of its own, as JSON.

Rails 7 is not packaged here: this follows its source, and PyCA's AES-GCM does the encryption.
"""

import base64
import json

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def message(key, iv, plaintext, **headers):
    sealed = AESGCM(key).encrypt(iv, plaintext, None)
    encoded = {name: base64.b64encode(part).decode() for name, part in (("iv", iv), ("at", sealed[-16:]))}
    return {"p": base64.b64encode(sealed[:-16]).decode(), "h": {**encoded, **headers}}


primary, own = bytes(range(32)), bytes(range(200, 168, -1))
print(json.dumps(message(primary, bytes(range(0x40, 0x4C)), b"sk-test-123")))
wrapped = message(primary, bytes(range(0x50, 0x5C)), own)
print(json.dumps(message(own, bytes(range(0x60, 0x6C)), b"sk-test-123", k=wrapped)))
