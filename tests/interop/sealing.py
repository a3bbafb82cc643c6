"""Sealing wraps (kind 03) of the sealwax envelope format, version 1. Written from the format page alone [7]: HPKE
(RFC 9180), mode_psk, with X-Wing, HKDF-SHA-256 and AES-256-GCM. Only the opening side.

ML-KEM-768 comes from the package cryptography, which has it since version 47.
"""
import hashlib
from collections import namedtuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from page import equal, expand, hmac_sha256, is_weak, len8, refuse_if, sha256, u8, u16

P = 2**255 - 19
SMALL_ORDER = {
    0, 1, P - 1, P, P + 1,
    int.from_bytes(bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"), "little"),
    int.from_bytes(bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"), "little"),
}


def has_small_order(point):
    return int.from_bytes(point, "little") % 2**255 in SMALL_ORDER  # the top bit cleared


def is_public_key(key):
    """FIPS 203, section 7.2: each of the 768 coefficients of 12 bits is less than q."""
    packed = int.from_bytes(key[:1152], "little")
    return all((packed >> 12 * i) % 4096 < 3329 for i in range(768)) and not has_small_order(key[1184:])


# X-Wing

class OpeningKey(namedtuple("OpeningKey", "seed psk")):
    def parts(self):
        expanded = hashlib.shake_256(self.seed).digest(96)
        return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])

    def public_key(self):
        ml_kem, x25519 = self.parts()
        return ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def decapsulate(self, enc):
        ml_kem, x25519 = self.parts()
        ct_m, ct_x = enc[:1088], enc[1088:]
        refuse_if(has_small_order(ct_x), "wrap_altered")
        ss_x = x25519.exchange(X25519PublicKey.from_public_bytes(ct_x))
        pk_x = x25519.public_key().public_bytes_raw()
        return hashlib.sha3_256(ml_kem.decapsulate(ct_m) + ss_x + ct_x + pk_x + bytes.fromhex("5c2e2f2f5e5c")).digest()


# HPKE: the key schedule of RFC 9180, section 5.1

SUITE_ID = b"HPKE" + u16(0x647A) + u16(0x0001) + u16(0x0002)
MODE_PSK = 1


def labeled_extract(salt, label, ikm):
    return hmac_sha256(salt, b"HPKE-v1" + SUITE_ID + label + ikm)


def labeled_expand(prk, label, info, length):
    return expand(prk, u16(length) + b"HPKE-v1" + SUITE_ID + label + info, length)


def key_and_nonce(shared_secret, info, psk, psk_id):
    hashes = labeled_extract(b"", b"psk_id_hash", psk_id) + labeled_extract(b"", b"info_hash", info)
    context = u8(MODE_PSK) + hashes
    secret = labeled_extract(shared_secret, b"secret", psk)
    return labeled_expand(secret, b"key", context, 32), labeled_expand(secret, b"base_nonce", context, 12)


# The wrap

def check(public_key, psk):
    return sha256(b"sw1/pair" + public_key + sha256(psk))[:4]


def unwrap_hpke(key, key_id, suite, commitment, wrapped):
    refuse_if(wrapped[0] != 3, "wrong_wrap_kind")
    refuse_if(len(wrapped) != 1173, "wrap_altered")
    refuse_if(not equal(wrapped[1:5], check(key.public_key(), key.psk)), "wrong_key_material")
    id_bytes = key_id.encode("ascii")
    info = b"sw1/hpke" + b"\x01" + u8(suite.id) + len8(id_bytes) + commitment
    aead_key, nonce = key_and_nonce(key.decapsulate(wrapped[5:1125]), info, key.psk, id_bytes)
    try:
        dek = AESGCM(aead_key).decrypt(nonce, wrapped[1125:], b"")
    except InvalidTag:
        refuse_if(True, "wrap_altered")
    refuse_if(is_weak(dek), "wrap_altered")
    return dek
