// A writer of the sealwax envelope format, version 1, made from the format page alone.
//
// It answers each line {"suite": …, "keyring": …, "context": [[name, value], …], "plaintext": hex}
// of stdin with {"text": …, "binary": hex, "context": hex of the encoded context} or
// {"error": class}. For known answers also "random", data key || iv, and "opaque",
// {"id": …, "body": …} of wraps by a provider: hex.

import { createCipheriv, randomBytes } from "node:crypto";
import { AEADS, MAX_PLAINTEXT, SUITES, require, join, encode64, expand } from "./page.mjs";
import { answerLines, encodeContext, parseKeyring } from "./page.mjs";
import { bind, checkValue, derive, headOf, macOf, wrapKey } from "./page.mjs";

const unhex = (hex) => Buffer.from(hex, "hex");

function encrypt(suite, key, iv, bound, plaintext) {
  const cipher = createCipheriv(AEADS[suite], key, iv, { authTagLength: 16 }).setAAD(bound);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return [ciphertext, cipher.getAuthTag()];
}

function wrap(master, suite, id, commitment, dek) {
  const bound = bind(suite, id, commitment);
  const salt = expand(master, join("sw1/salt", bound, dek), 24);
  const sealed = encrypt(suite, wrapKey(master, suite, salt), salt.subarray(12), bound, dek);
  return join([1], checkValue(master), salt, ...sealed);
}

function seal(row) {
  const [keyring, context] = [parseKeyring(row.keyring), encodeContext(row.context)];
  const [suite, plaintext] = [SUITES[row.suite], unhex(row.plaintext)];
  require(plaintext.length <= MAX_PLAINTEXT, "too_long");
  const random = row.random === undefined ? randomBytes(44) : unhex(row.random);
  const [dek, iv] = [random.subarray(0, 32), random.subarray(32)];
  const [key, commitment] = derive(dek, suite, iv, context);
  const [ciphertext, tag] = encrypt(suite, key, iv, join(), plaintext);

  const sealers = keyring.filter((key) => key.state === "primary" || key.state === "escrow");
  const local = sealers.map(({ id, master }) => [id, wrap(master, suite, id, commitment, dek)]);
  const opaque = (row.opaque ?? []).map(({ id, body }) => [id, join([2], unhex(body))]);
  const wraps = new Map([...local, ...opaque]);
  const head = headOf({ suite, wraps, commitment });
  const mac = macOf(dek, head, iv, tag);

  const named = [...wraps].map(([id, body]) => `${id}=${encode64(body)}`).join();
  const fields = [join(commitment, mac), iv, tag, ciphertext].map(encode64);
  return {
    text: ["sw1", row.suite, named, ...fields].join(":"),
    binary: join(head, mac, iv, tag, ciphertext).toString("hex"),
    context: context.toString("hex"),
  };
}

answerLines(seal);
