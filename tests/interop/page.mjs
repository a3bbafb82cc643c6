// The sealwax envelope format, version 1: what the reader (open.mjs) and the writer (seal.mjs) share.
//
// Written from the format page and its known answers alone; numbers in brackets are sections of that page. The page
// asks for secrets to be wiped after use. JavaScript cannot promise that, and this code does not try.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export const MAX_PLAINTEXT = 16_777_216;

export class Refused extends Error {
  constructor(errorClass) {
    super(errorClass);
    this.errorClass = errorClass;
  }
}

export function refuseIf(condition, errorClass) {
  if (condition) throw new Refused(errorClass);
}

// Notation [1]

export const u8 = (n) => Buffer.from([n]);
const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const u32 = (n) => Buffer.concat([u16(n >>> 16), u16(n & 65535)]);
export const join = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));     // text as UTF-8
const len8 = (x) => join(u8(x.length), x);
const sha256 = (data) => createHash('sha256').update(data).digest();
const hmacSha256 = (key, data) => createHmac('sha256', key).update(data).digest();
const expand = (prk, info, n) => hmacSha256(prk, join(info, u8(1))).subarray(0, n);
export const equal = (a, b) => timingSafeEqual(a, b);                                        // in constant time
export const xor = (a, b) => Buffer.from(a.map((byte, i) => byte ^ b[i]));
const allDiffer = (texts) => new Set(texts).size === texts.length;

export const encodeBase64url = (data) => data.toString('base64url');

// Returns the bytes, or null. Node's decoder skips characters it does not know, so a text is canonical only if it
// encodes back.
export function decodeBase64url(text) {
  const data = Buffer.from(text, 'base64url');
  return encodeBase64url(data) === text ? data : null;
}

export function decodeHex(text) {
  refuseIf(text.length % 2 !== 0 || /[^0-9A-Fa-f]/.test(text), 'format');                    // Node's is lenient
  return Buffer.from(text, 'hex');
}

// Suites [2] and key ids [3]

const SUITES = [
  { id: 1, text: 'a256gcm', cipher: 'aes-256-gcm' },
  { id: 2, text: 'c20p', cipher: 'chacha20-poly1305' },
];

export function findSuite(matches) {
  const suite = SUITES.find(matches);
  refuseIf(suite === undefined, 'format');
  return suite;
}

function isKeyId(text) {
  const looksLikeAKey = /[Ss][Ww][A-Za-z]{1,2}1_/.test(text);
  return /^[A-Za-z0-9][A-Za-z0-9._/@-]{0,127}$/.test(text) && !looksLikeAKey;
}

// Context [4]

function isPair(pair) {
  return Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === 'string');
}

export function encodeContext(pairs) {
  refuseIf(!Array.isArray(pairs) || pairs.length > 32 || !pairs.every(isPair), 'context');
  refuseIf(!pairs.flat().every((text) => text.isWellFormed()), 'context');                   // a lone surrogate
  refuseIf(!allDiffer(pairs.map(([name]) => name)), 'context');
  const encoded = pairs.map((pair) => pair.map((text) => Buffer.from(text)));
  encoded.sort(([a], [b]) => Buffer.compare(a, b));                                          // as unsigned bytes
  const parts = [u16(encoded.length)];
  for (const [name, value] of encoded) {
    refuseIf(name.length < 1 || name.length > 64 || value.length > 1024, 'context');
    parts.push(u16(name.length), name, u16(value.length), value);
  }
  return join(...parts);
}

// Payload [5]: the key and the commitment

export const isWeak = (key) => key.every((byte) => byte === key[0]);                         // one byte 32 times

export function derive(dek, suite, iv, context) {
  const bound = join(u8(suite.id), iv, sha256(context));
  return [expand(dek, join('sw1/data', bound), 32), expand(dek, join('sw1/comm', bound), 32)];
}

// Wrapped keys [6]: the parts of a local wrap

export function localSalt(master, keyId, suite, commitment, dek) {
  const bind = join(u8(1), u8(suite.id), len8(keyId), commitment);
  return expand(master, join('sw1/salt', bind, dek), 24);
}

export const localPad = (master, salt) => expand(master, join('sw1/wrap', salt), 32);
export const localCheck = (master) => expand(master, 'sw1/check', 4);

// Envelope [8]: wraps are [key id, wrapped] in their order

export function checkWraps(wraps) {
  refuseIf(wraps.length < 1 || wraps.length > 8 || !allDiffer(wraps.map(([keyId]) => keyId)), 'format');
  for (const [keyId, wrapped] of wraps) {
    refuseIf(!isKeyId(keyId) || wrapped.length < 2 || wrapped.length > 65535 || wrapped[0] === 0, 'format');
  }
}

export function head(suite, wraps, commitment) {
  const parts = wraps.map(([keyId, wrapped]) => join(len8(keyId), u16(wrapped.length), wrapped));
  return join('SW', u8(1), u8(suite.id), u8(wraps.length), ...parts, commitment);
}

export function envelopeMac(dek, envelopeHead, iv, tag, ciphertext) {
  return hmacSha256(dek, join('sw1/mac', envelopeHead, iv, tag, u32(ciphertext.length))).subarray(0, 16);
}

// Master keys and keyrings as text [12]

export const OPENING_STATES = ['primary', 'retired', 'escrow'];
export const REFUSED_STATES = ['destroyed', 'leaked', 'disabled'];     // in the order in which they are reported [11]

function hasChecksum(label, data) {
  return sha256(join(label, data.subarray(0, -4))).subarray(0, 4).equals(data.subarray(-4));
}

function parseMasterKey(text) {
  const data = text.startsWith('swk1_') ? decodeBase64url(text.slice(5)) : null;
  refuseIf(data === null || data.length !== 36 || !hasChecksum('sw1/key', data), 'keyring');
  refuseIf(isWeak(data.subarray(0, 32)), 'keyring');
  return data.subarray(0, 32);
}

function isKeyWithoutPrefix(keyId) {
  const data = decodeBase64url(keyId) ?? Buffer.alloc(0);
  if (data.length === 36) return hasChecksum('sw1/key', data) || hasChecksum('swkt1/key', data);     // 48 characters
  return data.length === 68 && hasChecksum('sw1/key', data);                                         // 91 characters
}

function parseEntry([state, id, key, ...more]) {
  refuseIf(![...OPENING_STATES, ...REFUSED_STATES].includes(state), 'keyring');
  refuseIf(id === undefined || more.length > 0, 'keyring');
  refuseIf(key === undefined && !REFUSED_STATES.includes(state), 'keyring');
  refuseIf(!isKeyId(id) || isKeyWithoutPrefix(id), 'keyring');
  return { state, id, key: key === undefined ? null : parseMasterKey(key) };
}

// Returns the entries: the primary first, the others in keyring order.
export function parseKeyring(text) {
  const entries = [];
  for (const ended of text.split('\n')) {
    const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
    refuseIf(line.includes('\r'), 'keyring');
    if (/^[ \t]*#/.test(line)) continue;
    for (const piece of line.split(';')) {
      // Splitting only at spaces and tabs leaves other whitespace, a byte-order mark and "#" inside a field, and no
      // field may contain them.
      const fields = piece.split(/[ \t]+/).filter((field) => field !== '');
      if (fields.length > 0) entries.push(parseEntry(fields));
    }
  }
  const inState = (state) => entries.filter((entry) => entry.state === state);
  refuseIf(entries.length > 1024 || inState('primary').length !== 1 || inState('escrow').length > 7, 'keyring');
  refuseIf(!allDiffer(entries.map((entry) => entry.id.toLowerCase())), 'keyring');
  const keys = entries.map((entry) => entry.key).filter((key) => key !== null);
  refuseIf(!allDiffer(keys.map((key) => key.toString('hex'))), 'keyring');
  const kept = entries.map((entry) => (OPENING_STATES.includes(entry.state) ? entry : { ...entry, key: null }));
  return [...kept.filter((entry) => entry.state === 'primary'), ...kept.filter((entry) => entry.state !== 'primary')];
}

// Not from the page: reads one JSON object per line, and writes one per line.

export async function serve(answer) {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const reply = (line) => {
    let out;
    try {
      out = answer(JSON.parse(decoder.decode(line)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      out = { error: error.errorClass };
    }
    process.stdout.write(JSON.stringify(out) + '\n');
  };
  let parts = [];                                                         // parts of the incomplete line
  for await (let chunk of process.stdin) {                                // readline would also split at U+2028
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n')) {
      reply(Buffer.concat([...parts, chunk.subarray(0, end)]));
      parts = [];
      chunk = chunk.subarray(end + 1);
    }
    parts.push(chunk);
  }
  if (parts.some((part) => part.length > 0)) reply(Buffer.concat(parts));
}
