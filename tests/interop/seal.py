"""The sealwax envelope format, version 1: the writer. Written from the format page and its known answers alone.

stdin, one per line:  {"suite": text, "keyring": …, "context": [[name, value], …], "plaintext": hex,
                       optional "random": hex of data key || IV,
                       optional "opaque": [{"id": …, "body": hex}, …], provider wraps, which come last}
stdout, one per line: {"text": …, "binary": hex, "context": hex of the encoded context} or {"error": class}
"""
import secrets

from page import (MAX_PLAINTEXT, check_wraps, decode_hex, derive, encode_base64url, encode_context, envelope_mac,
                  find_suite, head, is_weak, local_check, local_pad, local_salt, parse_keyring, refuse_if, serve, xor)


def wrap_local(master, key_id, suite, commitment, dek):
    salt = local_salt(master, key_id, suite, commitment, dek)
    return b"\x01" + local_check(master) + salt + xor(dek, local_pad(master, salt))


def wrap_opaque(body):
    return b"\x02" + body


def seal(keyring, suite, context, plaintext, random, opaque):
    """Return both forms of the envelope."""
    dek, iv = random[:32], random[32:]
    refuse_if(len(random) != 44 or is_weak(dek), "format")
    key, commitment = derive(dek, suite, iv, context)
    wraps = [(entry.id, wrap_local(entry.key, entry.id, suite, commitment, dek))
             for entry in keyring if entry.state in ("primary", "escrow")]
    wraps += [(key_id, wrap_opaque(body)) for key_id, body in opaque]
    check_wraps(wraps)
    refuse_if(len(plaintext) > MAX_PLAINTEXT, "too_long")
    sealed = suite.aead(key).encrypt(iv, plaintext, b"")
    ciphertext, tag = sealed[:-16], sealed[-16:]
    envelope_head = head(suite, wraps, commitment)
    mac = envelope_mac(dek, envelope_head, iv, tag, ciphertext)
    fields = [commitment + mac, iv, tag, ciphertext]
    wraps_text = ",".join(key_id + "=" + encode_base64url(wrapped) for key_id, wrapped in wraps)
    text = ":".join(["sw1", suite.text, wraps_text] + [encode_base64url(field) for field in fields])
    return text, envelope_head + mac + iv + tag + ciphertext


def answer(request):
    keyring = parse_keyring(request["keyring"])
    context = encode_context(request.get("context"))
    refuse_if(any(name.startswith("sw1/") for name, _ in request["context"]), "context")
    suite = find_suite(lambda suite: suite.text == request["suite"])
    random = decode_hex(request["random"]) if "random" in request else secrets.token_bytes(44)
    opaque = [(wrap["id"], decode_hex(wrap["body"])) for wrap in request.get("opaque", [])]
    text, binary = seal(keyring, suite, context, decode_hex(request["plaintext"]), random, opaque)
    return {"text": text, "binary": binary.hex(), "context": context.hex()}


if __name__ == "__main__":
    serve(answer)
