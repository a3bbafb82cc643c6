// What a reader and a writer of the sealwax envelope format, version 1, share: the notation, the
// derivations, contexts and keyrings. Made from the format page alone; open.mjs reads, seal.mjs
// writes.

import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

export const SUITES = { a256gcm: 1, c20p: 2 };
export const AEADS = { 1: "aes-256-gcm", 2: "chacha20-poly1305" };
export const KEY_ID = /^[A-Za-z0-9][A-Za-z0-9._/@-]{0,127}$/;
export const MAX_PLAINTEXT = 16777216;

/** With the class of the error. */
export class Refused extends Error {}
export function require(holds, error) {
  if (!holds) throw new Refused(error);
}

/** x || y || …, of byte strings and of ASCII. */
export const join = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const u8 = (n) => Buffer.of(n);
const u16 = (n) => Buffer.of(n >> 8, n & 255);
const sha256 = (data) => createHash("sha256").update(data).digest();
const hmac = (key, data) => createHmac("sha256", key).update(data).digest();
export function expand(prk, info, n) {
  const first = hmac(prk, join(info, u8(1)));
  return join(first, hmac(prk, join(first, info, u8(2)))).subarray(0, n);
}

export const encode64 = (data) => data.toString("base64url");
export function decode64(text, error) {
  const data = Buffer.from(text, "base64url"); // takes anything, so it is written again
  require(encode64(data) === text, error);
  return data;
}

export function encodeContext(pairs) {
  require(pairs.flat().every((part) => part.isWellFormed()), "context");
  const sorted = pairs.map(([name, value]) => [Buffer.from(name), Buffer.from(value)]);
  sorted.sort(([a], [b]) => Buffer.compare(a, b));
  require(new Set(pairs.map(([name]) => name)).size === pairs.length, "context");
  require(sorted.length <= 32, "context");
  require(sorted.every(([name]) => name.length >= 1 && name.length <= 64), "context");
  require(sorted.every(([, value]) => value.length <= 1024), "context");
  return join(u16(sorted.length), ...sorted.flat().flatMap((part) => [u16(part.length), part]));
}

/** State, id and master key, if there is one, of each entry, the primary first. */
export function parseKeyring(text) {
  const strip = (part) => part.replace(/^[ \t]+|[ \t]+$/g, "");
  const lines = text.split("\n").map((line) => strip(line.replace(/\r$/, "")));
  const parts = lines.filter((line) => line[0] !== "#").flatMap((line) => line.split(";"));
  const entries = parts.map(strip).filter((entry) => entry !== "");
  const keys = entries.map((entry) => parseEntry(...entry.split(/[ \t]+/)));
  const of = (state) => keys.filter((key) => key.state === state);
  require(of("primary").length === 1 && of("escrow").length <= 7, "keyring");
  const ids = new Set(keys.map((key) => key.id.toLowerCase()));
  require(ids.size === keys.length && keys.length <= 1024, "keyring");
  return [...of("primary"), ...keys.filter((key) => key.state !== "primary")];
}

function parseEntry(state, ...fields) {
  const gone = state === "disabled" || state === "destroyed";
  require(gone || ["primary", "retired", "escrow"].includes(state), "keyring");
  require(fields.length === 2 || (gone && fields.length === 1), "keyring");
  const [id, ...key] = fields;
  require(KEY_ID.test(id) && !id.includes("swk1_"), "keyring");
  return { state, id, gone, master: key.map(parseMasterKey)[0] };
}

function parseMasterKey(text) {
  require(text.startsWith("swk1_") && text.length === 53, "keyring");
  const data = decode64(text.slice(5), "keyring");
  const [key, checksum] = [data.subarray(0, 32), data.subarray(32)];
  require(sha256(join("sw1/key", key)).subarray(0, 4).equals(checksum), "keyring");
  require(key.some((byte) => byte !== key[0]), "keyring");
  return key;
}

/** The key of the payload, and the commitment. */
export function derive(dek, suite, iv, context) {
  const okm = expand(dek, join("sw1/data", u8(suite), iv, sha256(context)), 64);
  return [okm.subarray(0, 32), okm.subarray(32)];
}

export const checkValue = (master) => expand(master, "sw1/check", 4);
export const bind = (suite, id, commitment) =>
  join(u8(1), u8(suite), u8(id.length), id, commitment);
export const wrapKey = (master, suite, salt) =>
  expand(master, join("sw1/wrap", u8(suite), salt), 32);

export function headOf({ suite, wraps, commitment }) {
  const parts = [...wraps].flatMap(([id, body]) => [u8(id.length), id, u16(body.length), body]);
  return join("SW", u8(1), u8(suite), u8(wraps.size), ...parts, commitment);
}
export const macOf = (dek, head, iv, tag) =>
  hmac(dek, join("sw1/mac", head, iv, tag)).subarray(0, 16);

/** One answer on stdout for each line of stdin, both JSON. */
export function answerLines(answer) {
  const lines = readFileSync(0, "utf8").split("\n").filter((line) => line !== "");
  const answers = lines.map((line) => {
    try {
      return answer(JSON.parse(line));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { error: error.message };
    }
  });
  process.stdout.write(answers.map((found) => JSON.stringify(found) + "\n").join(""));
}
