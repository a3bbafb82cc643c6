// A reader of the sealwax envelope format, version 1, made from the format page alone.
//
// It answers each line {"text": … or "binary": hex, "keyring": …, "context": [[name, value], …]} of
// stdin with {"plaintext": hex} or {"error": class}.

import { createDecipheriv, timingSafeEqual } from "node:crypto";
import { AEADS, KEY_ID, MAX_PLAINTEXT, SUITES, Refused, require, join, decode64 } from "./page.mjs";
import { answerLines, encodeContext, parseKeyring } from "./page.mjs";
import { bind, checkValue, derive, headOf, macOf, wrapKey } from "./page.mjs";

function parseText(text) {
  const version = /^sw([0-9]+):/.exec(text);
  require(version === null || version[1] === "1", "newer_version");
  const [prefix, name, named, ...fields] = text.split(":");
  require(prefix === "sw1" && Object.hasOwn(SUITES, name) && fields.length === 4, "format");
  const split = named.split(",").map((wrap) => wrap.split("="));
  require(split.every((wrap) => wrap.length === 2), "format");
  const wraps = split.map(([id, body]) => [id, decode64(body, "format")]);
  const [proof, iv, tag, ciphertext] = fields.map((field) => decode64(field, "format"));
  const [commitment, mac] = [proof.subarray(0, 32), proof.subarray(32)];
  return checked({ suite: SUITES[name], wraps, commitment, mac, iv, tag, ciphertext });
}

function parseBinary(data) {
  let at = 0; // a slice is shorter at the end; the lengths that follow are then wrong
  const take = (n) => data.subarray(at, (at += n));
  const number = (n) => take(n).reduce((sum, byte) => sum * 256 + byte, 0);
  require(take(2).equals(join("SW")), "format");
  require(data.length === 2 || number(1) === 1, "newer_version");
  const [suite, count] = [number(1), number(1)];
  const wrap = () => [take(number(1)).toString("latin1"), take(number(2))];
  const wraps = Array.from({ length: count }, wrap);
  const [commitment, mac, iv, tag] = [32, 16, 12, 16].map(take);
  return checked({ suite, wraps, commitment, mac, iv, tag, ciphertext: data.subarray(at) });
}

/** An envelope of either form, if it keeps all limits. */
function checked(envelope) {
  const { suite, commitment, mac, iv, tag, ciphertext } = envelope;
  const wraps = new Map(envelope.wraps);
  require(Object.hasOwn(AEADS, suite) && wraps.size >= 1 && wraps.size <= 8, "format");
  require(wraps.size === envelope.wraps.length, "format");
  for (const [id, body] of wraps) {
    require(KEY_ID.test(id), "format");
    require(body.length >= 2 && body.length <= 65535 && body[0] !== 0, "format");
  }
  const lengths = [commitment, mac, iv, tag].map((part) => part.length);
  require(lengths.join() === "32,16,12,16" && ciphertext.length <= MAX_PLAINTEXT, "format");
  return { ...envelope, wraps };
}

function decrypt(suite, key, iv, bound, ciphertext, tag, error) {
  const cipher = createDecipheriv(AEADS[suite], key, iv, { authTagLength: 16 });
  cipher.setAAD(bound).setAuthTag(tag);
  const plaintext = cipher.update(ciphertext); // nobody's business before the next call
  try {
    cipher.final();
  } catch {
    throw new Refused(error);
  }
  return plaintext;
}

function unwrap({ id, master }, { suite, wraps, commitment }) {
  const body = wraps.get(id);
  require(body.length === 77 && body[0] === 1, "wrap_altered");
  const fields = [[1, 5], [5, 29], [29, 61], [61, 77]];
  const [check, salt, sealed, tag] = fields.map(([from, to]) => body.subarray(from, to));
  require(timingSafeEqual(check, checkValue(master)), "wrong_key_material");
  const [key, bound] = [wrapKey(master, suite, salt), bind(suite, id, commitment)];
  return decrypt(suite, key, salt.subarray(12), bound, sealed, tag, "wrap_altered");
}

function dataKey(keyring, envelope) {
  const keys = keyring.filter((key) => envelope.wraps.has(key.id));
  const refused = [];
  for (const key of keys.filter((key) => !key.gone)) {
    try {
      const dek = unwrap(key, envelope);
      const mac = macOf(dek, headOf(envelope), envelope.iv, envelope.tag);
      require(timingSafeEqual(mac, envelope.mac), "envelope_altered");
      return dek;
    } catch (error) {
      refused.push(error);
    }
  }
  if (refused.length > 0) throw refused[0];
  for (const state of ["destroyed", "disabled"]) {
    require(keys.every((key) => key.state !== state), "key_" + state);
  }
  throw new Refused("unknown_key");
}

function open(row) {
  const [keyring, context] = [parseKeyring(row.keyring), encodeContext(row.context)];
  const envelope =
    "text" in row ? parseText(row.text) : parseBinary(Buffer.from(row.binary, "hex"));
  const { suite, iv, ciphertext, tag } = envelope;
  const [key, commitment] = derive(dataKey(keyring, envelope), suite, iv, context);
  require(timingSafeEqual(commitment, envelope.commitment), "context_mismatch");
  const plaintext = decrypt(suite, key, iv, join(), ciphertext, tag, "payload_altered");
  return { plaintext: plaintext.toString("hex") };
}

answerLines(open);
