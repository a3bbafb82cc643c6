#!/usr/bin/env node
// Makes the known answers on the page FORMAT.md, and opens them, with nothing but HMAC-SHA-256, as known.py does.
//
// It shares no code with the crate. `openBranch` and `openRebound` are all that another program needs to unwrap the data
// keys of such rows: `ask` is its call of the service, which unwraps W, bound to the bytes that it is given.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { fileURLToPath } from 'node:url';

// The wrap was altered, moved here from another row, or is no wrap.
export class Altered extends Error {}

const join = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));              // text as UTF-8
const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const expand = (key, info, length) => createHmac('sha256', key).update(join(info, [1])).digest().subarray(0, length);
const equal = (a, b) => a.length === b.length && timingSafeEqual(a, b);
const xor = (a, b) => Buffer.from(a.map((byte, i) => byte ^ b[i]));

export const bind = (suite, keyId, commitment) => join([1, suite, keyId.length], keyId, commitment);
export const branchId = (key) => expand(key, 'sw1/branch', 32);

function local(key, bound, dataKey) {
  const salt = expand(key, join('sw1/salt', bound, dataKey), 24);
  return join(expand(key, 'sw1/check', 4), salt, xor(dataKey, expand(key, join('sw1/wrap', salt), 32)));
}

function openLocal(key, bound, body) {
  const dataKey = xor(body.subarray(28), expand(key, join('sw1/wrap', body.subarray(4, 28)), 32));
  if (!equal(local(key, bound, dataKey), body) || new Set(dataKey).size === 1) throw new Altered();
  return dataKey;
}

// Splits len16 || W || local body(60).
function split(body) {
  const end = body.length < 2 ? 0 : 2 + body.readUInt16BE();
  if (end < 3 || body.length !== end + 60) throw new Altered();
  return [body.subarray(2, end), body.subarray(end)];
}

export const rebound = (key, wrapped, bound, dataKey) =>
  join(u16(wrapped.length), wrapped, local(key, bound, dataKey));
export const branch = (key, wrapped, bound, dataKey) => join(branchId(key), rebound(key, wrapped, bound, dataKey));

export function openBranch(body, suite, keyId, commitment, ask) {
  const id = body.subarray(0, 32);
  const [wrapped, inner] = split(body.subarray(32));
  const key = ask(wrapped, bind(suite, keyId, id));
  if (!equal(branchId(key), id)) throw new Altered();
  return openLocal(key, bind(suite, keyId, commitment), inner);
}

export function openRebound(body, suite, keyId, commitment, ask) {
  const [wrapped, inner] = split(body);
  return openLocal(ask(wrapped, Buffer.alloc(0)), bind(suite, keyId, commitment), inner);
}

function main() {
  const counting = (first) => Buffer.from(Array.from({ length: 32 }, (_, i) => first + i));
  const [key, dataKey, commitment] = [counting(0x40), counting(0x00), counting(0x80)];
  const [keyId, wrapped] = [Buffer.from('kms/2026'), Buffer.from('what the service made of the key')];
  console.log(`key_id ${keyId}\nkey ${key.toString('hex')}\nW ${wrapped}`);
  console.log(`data_key ${dataKey.toString('hex')}\ncommitment ${commitment.toString('hex')}`);
  console.log(`branch_id ${branchId(key).toString('hex')}`);
  let refused = 0;
  for (const [kind, make, open] of [['branch', branch, openBranch], ['rebound', rebound, openRebound]]) {
    for (const [suite, suiteName] of [[1, 'a256gcm'], [2, 'c20p']]) {
      const body = make(key, wrapped, bind(suite, keyId, commitment), dataKey);
      console.log(kind, suiteName, body.toString('hex'));
      const expected = kind === 'branch' ? bind(suite, keyId, branchId(key)) : Buffer.alloc(0);
      const ask = (given, bound) => {
        if (!equal(given, wrapped) || !equal(bound, expected)) throw new Altered();
        return key;
      };
      if (!equal(open(body, suite, keyId, commitment, ask), dataKey)) throw new Error('another data key');
      const altered = Array.from(body, (byte, at) => {
        const changed = Buffer.from(body);
        changed[at] = byte ^ 1;
        return changed;
      });
      for (const changed of [...altered, body.subarray(0, -1), join(body, [0]), Buffer.alloc(0)]) {
        try {
          open(changed, suite, keyId, commitment, ask);
        } catch (error) {
          if (!(error instanceof Altered)) throw error;
          refused += 1;
        }
      }
    }
  }
  if (refused !== 2 * (32 + 2 + 32 + 60 + 3) + 2 * (2 + 32 + 60 + 3)) throw new Error(`${refused} refused`);
}

if (fileURLToPath(import.meta.url) === process.argv[1]) main();
