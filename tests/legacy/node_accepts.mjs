// Measures what a typical reader over Node's crypto accepts as a row, and writes the result to
// stdout.
//
//   node node_accepts.mjs > ../vectors/legacy/node_accepts.json
//
// The reader is that of many services: it sets no authTagLength, and checks no length or alphabet.
// Each case is a genuine row with one change, made without access to the key. "opens" means that it
// opens to the plaintext that was encrypted. Each case also has sealwax's result for the same row,
// which the tests check.

import { createCipheriv, createDecipheriv } from 'node:crypto';

const KEY = Buffer.from(Array.from(Array(32).keys()));
const PLAINTEXT = 'sk-test-123';

function readParts(iv, tag, ciphertext) {
  const decipher = createDecipheriv('aes-256-gcm', KEY, iv);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('utf8');
}

/** Typical readers, by the kind of row. */
const readers = {
  'hex-iv16-sha256': ([text]) => {
    const [iv, tag, ciphertext] = text.split(':');
    return readParts(Buffer.from(iv, 'hex'), Buffer.from(tag, 'hex'), Buffer.from(ciphertext, 'hex'));
  },
  'columns-hex': ([ciphertext, iv, tag]) =>
    readParts(Buffer.from(iv, 'hex'), Buffer.from(tag, 'hex'), Buffer.from(ciphertext, 'hex')),
  'columns-base64': ([ciphertext, iv, tag]) =>
    readParts(Buffer.from(iv, 'base64'), Buffer.from(tag, 'base64'), Buffer.from(ciphertext, 'base64')),
};

/** Returns a genuine row. The IV counts up from 0xa0, so that it has letters to write in upper case. */
function genuine(ivLength, plaintext = PLAINTEXT) {
  const iv = Buffer.from(Array.from(Array(ivLength).keys(), (i) => 0xa0 + i));
  const cipher = createCipheriv('aes-256-gcm', KEY, iv);
  const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return { iv, tag: cipher.getAuthTag(), ciphertext };
}

const cases = [];

function measure(name, kind, columns, sealwax, plaintext = PLAINTEXT) {
  let node;
  try {
    node = readers[kind](columns) === plaintext ? 'opens' : 'opens to another text';
  } catch {
    node = 'refuses';
  }
  cases.push({ case: name, kind, columns, plaintext, node, sealwax });
}

const hex = ({ iv, tag, ciphertext }) => [iv, tag, ciphertext].map((part) => part.toString('hex'));
const text = (name, parts, sealwax, plaintext) =>
  measure(name, 'hex-iv16-sha256', [parts.join(':')], sealwax, plaintext);
const columns = (encoding) => (name, { iv, tag, ciphertext }, sealwax, change = (part) => part) => {
  const parts = [ciphertext, iv, tag].map((part) => part.toString(encoding));
  measure(name, `columns-${encoding}`, parts.map(change), sealwax);
};
const [hexColumns, base64Columns] = [columns('hex'), columns('base64')];

const row = genuine(16);
const [iv, tag, ciphertext] = hex(row);

text('nothing changed', [iv, tag, ciphertext], 'opens');
text('nothing encrypted', hex(genuine(16, '')), 'opens', '');

for (let length = 0; length <= 17; length++) {
  const cut = Buffer.concat([row.tag, Buffer.of(0)]).subarray(0, length);
  const told = length === 16 ? 'opens' : 'malformed';
  text(`tag of ${length} bytes`, hex({ ...row, tag: cut }), told);
}
for (const length of [0, 1, 8, 11, 12, 13, 15, 16, 17, 32]) {
  const made = length === 0 ? { ...genuine(12), iv: Buffer.alloc(0) } : genuine(length);
  const told = [12, 16].includes(length) ? 'opens' : 'malformed';
  hexColumns(`iv of ${length} bytes`, made, told);
}

const upper = (part) => part.toUpperCase();
text('hex: upper case', [iv, tag, ciphertext].map(upper), 'malformed');
text('hex: mixed case', [iv, upper(tag), ciphertext], 'malformed');
text('hex: one digit more at the end', [iv, tag, `${ciphertext}0`], 'malformed');
text('hex: one digit more in the iv', [`${iv}0`, tag, ciphertext], 'malformed');
text('hex: one digit more in the tag', [iv, `${tag}0`, ciphertext], 'malformed');
text('hex: one digit fewer at the end', [iv, tag, ciphertext.slice(0, -1)], 'malformed');
text('hex: letters after it', [iv, tag, `${ciphertext}zz`], 'malformed');
text('hex: letters, then more hex', [iv, tag, `${ciphertext}zz00`], 'malformed');
text('hex: letters after the iv', [`${iv}zz`, tag, ciphertext], 'malformed');
text('hex: letters in front', [iv, tag, `zz${ciphertext}`], 'malformed');
text('hex: 0x in front', [`0x${iv}`, tag, ciphertext], 'malformed');
text('hex: a line break at the end', [iv, tag, `${ciphertext}\n`], 'malformed');
text('hex: a space at the end', [iv, tag, `${ciphertext} `], 'malformed');
text('hex: a space before the tag', [iv, ` ${tag}`, ciphertext], 'malformed');
text('hex: a space in front', [` ${iv}`, tag, ciphertext], 'malformed');
text('hex: a full-width digit after it', [iv, tag, `${ciphertext}\uff11`], 'malformed');
text('a fourth field', [iv, tag, ciphertext, '00'], 'malformed');
text('a fourth field, empty', [iv, tag, ciphertext, ''], 'malformed');
text('two fields', [iv, tag], 'malformed');
text('the tag empty', [iv, '', ciphertext], 'malformed');
text('iv and tag exchanged', [tag, iv, ciphertext], 'not authentic');
text('the ciphertext taken out', [iv, tag, ''], 'not authentic');

base64Columns('base64: nothing changed', row, 'opens');
base64Columns('base64: without padding', row, 'malformed', (part) => part.replace(/=+$/, ''));
base64Columns('base64: more padding', row, 'malformed', (part) => `${part}==`);
base64Columns('base64: the URL-safe alphabet', genuine(16), 'malformed', (part) =>
  part.replaceAll('+', '-').replaceAll('/', '_'));
base64Columns('base64: a line break at the end', row, 'malformed', (part) => `${part}\n`);
base64Columns('base64: in lines of 8', row, 'malformed', (part) => part.replace(/(.{8})/g, '$1\r\n'));
base64Columns('base64: a space in front', row, 'malformed', (part) => ` ${part}`);
base64Columns('base64: characters of no alphabet', row, 'malformed', (part) => `*${part}.`);
base64Columns('base64: text after the padding', row, 'malformed', (part) => `${part}!`);
// The last character before the padding, with one of its unused bits set.
base64Columns('base64: unused bits', row, 'malformed', (part) =>
  part.replace(/([A-Za-z0-9+/])(=+)$/, (_, last, padding) =>
    String.fromCharCode(last.charCodeAt(0) + 1) + padding));

const lines = cases.map((measured) => JSON.stringify(measured)).join(',\n');
const head = `"node":"${process.version}",\n"key":{"as":"hex","text":"${KEY.toString('hex')}"}`;
process.stdout.write(`{${head},\n"cases":[\n${lines}\n]}\n`);
