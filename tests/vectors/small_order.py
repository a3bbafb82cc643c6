"""Writes small_order.json: python3 -B tests/vectors/small_order.py > tests/vectors/small_order.json

Bodies of sealing wraps (kind 03) whose X25519 part has a small order, and which are correct otherwise: the shared
secret of X25519 is zero, and everything after it was computed with that. Only a check of the point refuses them. The
controls have another point, made the same way, and open. This needs the package cryptography, version 47 or newer.
"""
import json, os, sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "interop"))
import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from page import SUITES, encode_base64url, len8, sha256, u8
from sealing import SMALL_ORDER, OpeningKey, check, has_small_order, key_and_nonce

key = OpeningKey(sha256(b"seed"), sha256(b"psk"))
key_id, suite, commitment, dek = "dashboard", SUITES[0], sha256(b"commitment"), sha256(b"data key")
info = b"sw1/hpke" + b"\x01" + u8(suite.id) + len8(key_id.encode()) + commitment
ml_kem, x25519 = key.parts()
ss_m, ct_m = ml_kem.public_key().encapsulate()
pk_x = x25519.public_key().public_bytes_raw()


def encrypted(point):
    try:
        ss_x = x25519.exchange(X25519PublicKey.from_public_bytes(point))
        assert not has_small_order(point)
    except ValueError:  # the shared secret is zero, which this library refuses
        assert has_small_order(point)
        ss_x = bytes(32)
    shared = hashlib.sha3_256(ss_m + ss_x + point + pk_x + bytes.fromhex("5c2e2f2f5e5c")).digest()
    aead_key, nonce = key_and_nonce(shared, info, key.psk, key_id.encode())
    return {"point": point.hex(), "ciphertext_and_tag": AESGCM(aead_key).encrypt(nonce, dek, b"").hex()}


def points(numbers):
    # With the top bit clear, and set.
    return [(number + top).to_bytes(32, "little") for number in sorted(numbers) for top in (0, 2**255)]


text = key.seed + key.psk
print(json.dumps({
    "opening_key": "swo1_" + encode_base64url(text + sha256(b"sw1/key" + text)[:4]),
    "key_id": key_id, "suite": suite.text, "commitment": commitment.hex(), "data_key": dek.hex(),
    "check": check(key.public_key(), key.psk).hex(), "ct_m": ct_m.hex(),
    "refused": [encrypted(point) for point in points(SMALL_ORDER)],
    "controls": [encrypted(point) for point in points({2, 9, 2**255 - 22})],
}, indent=1))
