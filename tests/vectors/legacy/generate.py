"""Writes the files of the kinds that Python and OpenSSL make; see README.md.

    python3 -m venv venv
    venv/bin/pip install cryptography pydantic sqlalchemy-utils==0.43.0
    venv/bin/pip install --no-deps litellm==1.109.1
    venv/bin/python generate.py

Everything is drawn from one seed, so a rerun writes the same bytes. The two packages draw the IV from
`os.urandom`, which this program replaces with bytes from the seed while they run. It compares what they
write with what ../../legacy/legacy.py writes from the layout.
"""

import ctypes
import ctypes.util
import importlib.util
import json
import os
import platform
import sys
import types
from pathlib import Path
from unittest import mock

import cryptography
import sqlalchemy
import sqlalchemy_utils
from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine, StringEncryptedType

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "legacy"))
from legacy import KINDS, Draws, open_all, raw_key  # noqa: E402

SEED = "sealwax legacy vectors"

LINE = b"sk-test-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ."
LENGTHS = [*range(33), 47, 48, 49, 51, 63, 64, 65, 80, 129, 4096, 8192]
BLOCKS = [0, 1, 15, 16, 17, 31, 32, 33]
SPECIAL = [
    "sk-test-clé-ключ-鍵-🔑".encode(),
    b"sk-test:part=1:part=2==",
    b'{"apiKey":"sk-test-123","baseURL":"https://api.example.test/v1"}',
    b"sk-test-line\nsk-test-next\r\n",
    b"sk-test-\0-nul\0",
    b" sk-test-spaces\t",
    b"00112233445566778899aabb:00112233445566778899aabbccddeeff:73",
]
EVERY_BYTE = bytes(range(256))


def cut(length):
    return (LINE * (length // len(LINE) + 1))[:length]


class OpenSsl:
    """libcrypto itself, through the calls that a C program makes."""

    SET_IV_LENGTH, GET_TAG = 0x9, 0x10

    def __init__(self):
        self.library = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for name in ["EVP_CIPHER_CTX_new", "EVP_aes_256_gcm"]:
            getattr(self.library, name).restype = ctypes.c_void_p
        self.library.OpenSSL_version.restype = ctypes.c_char_p

    def version(self):
        return self.library.OpenSSL_version(0).decode()

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments) != 1:
            raise RuntimeError(name)

    def seal(self, key, iv, plaintext):
        context = ctypes.c_void_p(self.library.EVP_CIPHER_CTX_new())
        cipher = ctypes.c_void_p(self.library.EVP_aes_256_gcm())
        ciphertext = ctypes.create_string_buffer(len(plaintext) + 16)
        tag, written = ctypes.create_string_buffer(16), ctypes.c_int()
        self.call("EVP_EncryptInit_ex", context, cipher, None, None, None)
        self.call("EVP_CIPHER_CTX_ctrl", context, self.SET_IV_LENGTH, len(iv), None)
        self.call("EVP_EncryptInit_ex", context, None, None, key, iv)
        self.call("EVP_EncryptUpdate", context, ciphertext, ctypes.byref(written), plaintext, len(plaintext))
        self.call("EVP_EncryptFinal_ex", context, None, ctypes.byref(ctypes.c_int()))
        self.call("EVP_CIPHER_CTX_ctrl", context, self.GET_TAG, 16, tag)
        self.library.EVP_CIPHER_CTX_free(context)
        assert written.value == len(plaintext)
        return ciphertext.raw[: len(plaintext)], tag.raw


OPENSSL = OpenSsl()


def by_openssl(key, plaintext, iv):
    ciphertext, tag = OPENSSL.seal(raw_key(key), iv, plaintext)
    return [ciphertext.hex(), iv.hex(), tag.hex()]


def by_sqlalchemy_utils(key, plaintext, iv):
    passphrase = bytes.fromhex(key["text"]) if key["as"] == "sha256-of-bytes" else key["text"]
    column = StringEncryptedType(sqlalchemy.Unicode, passphrase, AesGcmEngine)
    with mock.patch("os.urandom", lambda length: iv if length == len(iv) else None):
        return [column.process_bind_param(plaintext.decode(), None)]


def load_litellm():
    """Load the one module of LiteLLM that encrypts: importing the package needs the whole proxy."""
    path = Path(importlib.util.find_spec("litellm").origin).parent
    server = types.ModuleType("litellm.proxy.proxy_server")
    server.general_settings = {"encryption_algorithm": "aes-256-gcm"}
    logging = types.ModuleType("litellm._logging")
    logging.verbose_proxy_logger = None
    sys.modules |= {"litellm.proxy.proxy_server": server, "litellm._logging": logging}
    sys.modules |= {name: types.ModuleType(name) for name in ["litellm", "litellm.proxy"]}
    file = path / "proxy" / "common_utils" / "encrypt_decrypt_utils.py"
    spec = importlib.util.spec_from_file_location("encrypt_decrypt_utils", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LITELLM = load_litellm()


def by_litellm(key, plaintext, iv):
    with mock.patch("os.urandom", lambda length: iv if length == len(iv) else None):
        return [LITELLM.encrypt_value_helper(plaintext.decode(), new_encryption_key=key["text"])]


def file(name, made_with, keys, known=(), write=None, text=False):
    kind, draw = KINDS[name], Draws(f"{SEED}/{name}")
    special = SPECIAL if text else [*SPECIAL, EVERY_BYTE]
    rows = [{"key": key, "plaintext": b"sk-test-123".hex(), "columns": [row]} for key, row in known]
    for iv_length, lengths in zip(kind.ivs, [LENGTHS, BLOCKS]):
        for plaintext in [*map(cut, lengths), *special]:
            key, iv = len(rows) % len(keys), draw(iv_length)
            columns = kind.write(keys[key], plaintext, iv)
            if write:
                assert write(keys[key], plaintext, iv) == columns, f"{name}: the layout differs"
            rows.append({"key": key, "plaintext": plaintext.hex(), "columns": columns})
    open_all([{"kind": name, "keys": keys, "rows": rows}])

    def lines(items):
        return ",\n".join(json.dumps(i, ensure_ascii=False, separators=(",", ":")) for i in items)

    head = f'"kind":{json.dumps(name)},\n"made_with":{json.dumps(made_with)}'
    out = f'{{{head},\n"keys":[\n{lines(keys)}\n],\n"rows":[\n{lines(rows)}\n]}}\n'
    (HERE / f"{name}.json").write_text(out, encoding="utf-8")
    print(f"{name}: {len(rows)} rows, {len(out.encode())} bytes")


def main():
    draw = Draws(f"{SEED}/keys")
    python = f"Python {platform.python_version()}, cryptography {cryptography.__version__}"
    salt_keys = ["sk-salt-aes-1234", "clé\n", "sk-" + draw(16).hex()]

    file(
        "columns-bytes",
        f"{OPENSSL.version()}: libcrypto, called by ctypes",
        [{"text": draw(32).hex(), "as": "hex"} for _ in range(2)],
        write=by_openssl,
    )
    file(
        "litellm-v2",
        f"litellm 1.109.1: encrypt_value_helper, {python}",
        [{"text": text, "as": "sha256"} for text in salt_keys],
        known=[
            (0, "v2:gcm:AJ2oR7l8HJ4q2iCtZXLtcwB62fTe34VsRLHN5VEoEwSNUDtn9ep_"),
            (1, "v2:gcm:JMaZs76yb8MqLGly__p3QMbXfn8Ttf0iOiV1b07qFB3c_LgbRKVK"),
        ],
        write=by_litellm,
        text=True,
    )
    file(
        "litellm-v3",
        f"{python}, by the layout",
        [{"text": text, "as": "hkdf-litellm-v3"} for text in salt_keys],
        text=True,
    )
    file(
        "sqlalchemy-utils",
        f"sqlalchemy-utils {sqlalchemy_utils.__version__}: AesGcmEngine, {python}",
        [
            {"text": "correct horse", "as": "sha256"},
            {"text": "clé ", "as": "sha256"},
            {"text": b"\x00\xff not a text".hex(), "as": "sha256-of-bytes"},
        ],
        known=[(0, "MQoTXnVPhNj5CDIBHsVWYtXC2TdE6eUHDcupl8kgYJpn6vNvzMOP")],
        write=by_sqlalchemy_utils,
        text=True,
    )
    counting = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    head = "010a4145532e47434d2e56316465666768696a6b6c6d6e6f"
    for iv_length, known in [
        (16, head + "70717273836e32fe7532556d36506d50ca54fd5babd86e25816753f583cb9e"),
        (12, head + "590fe3529e851ddccf72de6bdcbf51d43b70f3121c9a22b30f506c"),
    ]:
        file(
            f"cloak-iv{iv_length}",
            f"{python}, by the layout of Cloak 1.1",
            [
                {"text": counting, "as": "base64", "name": "AES.GCM.V1"},
                {"text": KINDS[f"cloak-iv{iv_length}"].new_key(draw)["text"], "as": "base64", "name": "AES.GCM.V2"},
                {"text": KINDS[f"cloak-iv{iv_length}"].new_key(draw)["text"], "as": "base64", "name": "clé"},
                {"text": KINDS[f"cloak-iv{iv_length}"].new_key(draw)["text"], "as": "base64", "name": "L" * 127},
            ],
            known=[(0, known)],
        )


main()
