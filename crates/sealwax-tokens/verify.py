"""Verifies tokens and records of sealwax-tokens. Written from FORMAT.md alone, with Python's standard library.
Each line of LINES has a record, a space and a token, or only a record. For each, it prints ok, or why it is refused."""
import argparse, hashlib, hmac
from records import len8, read_claims, read_peppers, read_prefix, read_record

def expand(key, *info):  # RFC 5869, to one block
    return hmac.digest(key, b"".join(info) + b"\x01", "sha256")

def digest(pepper, claims, token):
    if claims.scheme == 0:
        return expand(pepper, b"swt1/token", token)
    old = hashlib.sha256([None, token, claims.salt + token, token + claims.salt][claims.scheme]).digest()
    return expand(pepper, b"swt1/legacy", bytes([claims.scheme]), len8(claims.salt), old)

def refusals(asked, record, token):  # In the order of the page. A ValueError says that the record was altered
    if token is not None:
        prefix = read_prefix(token)
        is_text = 1 <= len(token) <= 1024 and token.decode(errors="ignore").encode() == token
        if prefix is None and not (asked.existing and is_text):
            yield "malformed"
        if prefix not in (None, asked.prefix):
            yield "wrong_mode"
    pepper_id, found, claims, mac = read_record(record)
    pepper = asked.peppers.get(pepper_id)
    if pepper is None:
        yield "pepper"
    if not hmac.compare_digest(expand(pepper, b"swt1/claims", len8(pepper_id), found, claims), mac):
        yield "altered"
    claims = read_claims(claims)
    if token is not None and not hmac.compare_digest(digest(pepper, claims, token), found):
        yield "unknown"
    if claims.mode != ["test", "live"].index(asked.mode):
        yield "wrong_mode"
    if claims.state >= 3:
        yield "spent" if claims.state == 3 else "revoked"
    if token is not None and claims.single_use != asked.redeem:
        yield "wrong_use"
    if not claims.not_before <= asked.now < claims.expires:
        yield "not_yet" if asked.now < claims.not_before else "expired"
    if token is not None and asked.scope not in (None, *claims.scopes):
        yield "scope"

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("peppers", type=lambda path: dict(read_peppers(path)), help="the file of the peppers")
arguments.add_argument("mode", choices=["test", "live"])
arguments.add_argument("prefix", type=str.encode)
arguments.add_argument("now", type=int, help="seconds since 1970")
arguments.add_argument("lines", help="the file of these lines")
arguments.add_argument("--existing", action="store_true", help="accept tokens of another program too")
arguments.add_argument("--redeem", action="store_true", help="redeem the tokens, which are for one use")
arguments.add_argument("--scope", type=str.encode, help="the scope that is asked for")
asked = arguments.parse_args()
for line in open(asked.lines, "rb"):
    record, space, token = line.removesuffix(b"\n").partition(b" ")
    try:
        print(next(refusals(asked, record, token if space else None), "ok"))
    except ValueError:
        print("altered")
