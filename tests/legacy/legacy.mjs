// Writes and reads rows as their own stacks do, with Node's crypto and WebCrypto and no other packages.
//
//   node legacy.mjs make SEED    makes rows of every kind below from the seed, and writes them to stdout
//   node legacy.mjs open         reads rows from stdin, opens and compares each, and reports how many
//
// Both use the format of tests/vectors/legacy. The other kinds are in legacy.py.
import { createCipheriv, createDecipheriv, createHash, hkdfSync, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const TAG = 16;
const sha256 = (data) => createHash('sha256').update(data).digest();

/** Returns bytes that are the same for the same seed, and otherwise look random. */
export function draws(seed) {
  let [count, left] = [0, Buffer.alloc(0)];
  return (length) => {
    while (left.length < length) left = Buffer.concat([left, sha256(`${seed}/${count++}`)]);
    const drawn = left.subarray(0, length);
    left = left.subarray(length);
    return drawn;
  };
}

// The usual code of a service that uses createCipheriv. The tag length is given, because otherwise
// the reader would accept a tag of 4 bytes: see node_accepts.mjs.
function seal(key, iv, plaintext) {
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG });
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { iv, tag: cipher.getAuthTag(), ciphertext };
}

function open(key, { iv, tag, ciphertext }) {
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG }).setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

// In WebCrypto, the tag is at the end of what `encrypt` returns.
async function subtle(verb, key, iv, data) {
  const cryptoKey = await webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, [verb]);
  return Buffer.from(await webcrypto.subtle[verb]({ name: 'AES-GCM', iv }, cryptoKey, data));
}

// n8n derives a key and an IV for each row.
function n8nDerive(key, salt) {
  const derived = Buffer.from(hkdfSync('sha256', key, salt, 'n8n-encryption-v1', 44));
  return [derived.subarray(0, 32), derived.subarray(32)];
}

function n8nSeal(key, salt, plaintext) {
  const { tag, ciphertext } = seal(...n8nDerive(key, salt), plaintext);
  return Buffer.concat([Buffer.of(1), salt, tag, ciphertext]).toString('base64');
}

function n8nOpen(key, blob) {
  const bytes = Buffer.from(blob, 'base64');
  const [derived, iv] = n8nDerive(key, bytes.subarray(1, 33));
  return open(derived, { iv, tag: bytes.subarray(33, 49), ciphertext: bytes.subarray(49) });
}

/** Returns a row of deployment_key: the data key, in hex, encrypted under SHA-256 of the instance key. */
export function n8nKey(name, instanceKey, dataKey, salt) {
  const value = n8nSeal(sha256(instanceKey), salt, dataKey.toString('hex'));
  return { text: instanceKey, as: 'n8n', name, value };
}

/** Returns the 32 bytes of a key, from its text. */
export function rawKey({ text, as, value }) {
  switch (as) {
    case 'sha256': return sha256(text);
    case 'sha256-trimmed': return sha256(text.trim());
    case 'hex': case 'repeated-byte': return Buffer.from(text, 'hex');
    case 'base64': return Buffer.from(text, 'base64');
    case 'utf8': return Buffer.from(text, 'utf8');
    case 'n8n': return Buffer.from(n8nOpen(sha256(text), value).toString('utf8'), 'hex');
    default: throw new Error(`unknown key derivation: ${as}`);
  }
}

/** One text in hex, with the parts in this order and `:` between them. */
const separated = (ivLength, ...order) => ({
  ivs: [ivLength],
  write: (key, plaintext, iv) => {
    const parts = seal(rawKey(key), iv, plaintext);
    return [order.map((part) => parts[part].toString('hex')).join(':')];
  },
  read: (key, [text]) => {
    const parts = text.split(':').map((hex, i) => [order[i], Buffer.from(hex, 'hex')]);
    return open(rawKey(key), Object.fromEntries(parts));
  },
});

/** Three columns of text: blob, IV, tag. */
const columns = (encoding) => ({
  ivs: [12, 16],
  write: (key, plaintext, iv) => {
    const { tag, ciphertext } = seal(rawKey(key), iv, plaintext);
    return [ciphertext, iv, tag].map((part) => part.toString(encoding));
  },
  read: (key, row) => {
    const [ciphertext, iv, tag] = row.map((column) => Buffer.from(column, encoding));
    return open(rawKey(key), { iv, tag, ciphertext });
  },
});

/** Two columns of text: IV, and ciphertext ‖ tag. */
const webCrypto = (ivEncoding) => ({
  ivs: [12],
  write: async (key, plaintext, iv) => {
    const sealed = await subtle('encrypt', rawKey(key), iv, plaintext);
    return [iv.toString(ivEncoding), sealed.toString('base64')];
  },
  read: (key, [iv, sealed]) =>
    subtle('decrypt', rawKey(key), Buffer.from(iv, ivEncoding), Buffer.from(sealed, 'base64')),
});

const newText = (draw) => ({ text: `${draw(24).toString('base64')}é`, as: 'sha256' });
const newBase64 = (draw) => ({ text: draw(32).toString('base64'), as: 'base64' });
const newHex = (draw) => ({ text: draw(32).toString('hex'), as: 'hex' });
const newUtf8 = (draw) => ({ text: draw(24).toString('base64'), as: 'utf8' });
const newN8n = (draw) =>
  n8nKey(draw(12).toString('base64url'), draw(24).toString('base64'), draw(32), draw(32));

/** Each kind: the lengths of its IV, and functions that make a key, write a row and read a row. */
export const kinds = {
  'hex-iv16-sha256': { newKey: newText, ...separated(16, 'iv', 'tag', 'ciphertext') },
  lobechat: {
    newKey: newBase64,
    ivs: [12],
    write: async (key, plaintext, iv) => {
      const sealed = await subtle('encrypt', rawKey(key), iv, plaintext);
      const parts = [iv, sealed.subarray(-TAG), sealed.subarray(0, -TAG)];
      return [parts.map((part) => part.toString('hex')).join(':')];
    },
    read: (key, [text]) => {
      const [iv, tag, ciphertext] = text.split(':').map((part) => Buffer.from(part, 'hex'));
      return subtle('decrypt', rawKey(key), iv, Buffer.concat([ciphertext, tag]));
    },
  },
  langfuse: { newKey: newHex, ...separated(12, 'iv', 'ciphertext', 'tag') },
  'columns-base64': { newKey: newBase64, ...columns('base64') },
  'columns-hex': { newKey: newHex, ...columns('hex') },
  webcrypto: { newKey: newBase64, ...webCrypto('base64') },
  typebot: { newKey: newUtf8, ...webCrypto('hex') },
  envelope: {
    newKey: newBase64,
    ivs: [12],
    write: async (key, plaintext, iv, draw) => {
      const [dataKey, keyIv] = [draw(32), draw(12)];
      const sealed = await subtle('encrypt', dataKey, iv, plaintext);
      const wrapped = await subtle('encrypt', rawKey(key), keyIv, dataKey);
      return [sealed, iv, wrapped, keyIv].map((column) => column.toString('base64'));
    },
    read: async (key, row) => {
      const [sealed, iv, wrapped, keyIv] = row.map((column) => Buffer.from(column, 'base64'));
      return subtle('decrypt', await subtle('decrypt', rawKey(key), keyIv, wrapped), iv, sealed);
    },
  },
  n8n: {
    newKey: newN8n,
    ivs: [32], // The salt. The IV is derived from it.
    write: (key, plaintext, salt) => [`${key.name}:${n8nSeal(rawKey(key), salt, plaintext)}`],
    read: (key, [text]) => n8nOpen(rawKey(key), text.slice(text.indexOf(':') + 1)),
  },
};

async function make(seed) {
  const made = [];
  for (const [kind, { newKey, ivs, write }] of Object.entries(kinds)) {
    const draw = draws(`${seed}/${kind}`);
    const [keys, rows] = [[newKey(draw), newKey(draw)], []];
    for (let i = 0; i < 20; i++) {
      // Text, because some stacks store nothing else; half of its characters are not ASCII.
      const plaintext = Buffer.from(draw(draw(2).readUInt16BE() % 301).toString('latin1'), 'utf8');
      const columns = await write(keys[i % 2], plaintext, draw(ivs[i % ivs.length]), draw);
      rows.push({ key: i % 2, plaintext: plaintext.toString('hex'), columns });
    }
    made.push({ kind, made_with: `Node ${process.version}`, keys, rows });
  }
  return made;
}

export async function openAll(files) {
  const opened = {};
  for (const { kind, keys, rows } of files) {
    for (const [number, { key, plaintext, columns }] of rows.entries()) {
      const found = await kinds[kind].read(keys[key], columns);
      if (found.toString('hex') !== plaintext) throw new Error(`${kind} ${number}: wrong plaintext`);
    }
    opened[kind] = rows.length;
  }
  return opened;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [verb, seed] = process.argv.slice(2);
  const done = verb === 'make' ? make(seed) : openAll(JSON.parse(readFileSync(0, 'utf8')));
  process.stdout.write(JSON.stringify(await done));
}
