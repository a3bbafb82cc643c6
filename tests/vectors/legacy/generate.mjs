// Writes the files of the kinds that Node makes; see README.md.
//
//   node generate.mjs
//
// Everything is drawn from one seed, so a rerun writes the same bytes. If N8N_CIPHER is set to the
// path of n8n-core's dist/encryption/aes-256-gcm.js, that cipher also opens each n8n row.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { draws, kinds, n8nKey, openAll, rawKey } from '../../legacy/legacy.mjs';

const SEED = 'sealwax legacy vectors';

const LINE = 'sk-test-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ.';
const LENGTHS = [...Array(33).keys(), 47, 48, 49, 51, 63, 64, 65, 80, 129];
const LONG_LENGTHS = [4096, 8192];
const BLOCKS = [0, 1, 15, 16, 17, 31, 32, 33];
const SPECIAL = [
  'sk-test-clé-ключ-鍵-🔑',
  'sk-test:part=1:part=2==',
  '{"apiKey":"sk-test-123","baseURL":"https://api.example.test/v1"}',
  'sk-test-line\nsk-test-next\r\n',
  'sk-test-\0-nul\0',
  ' sk-test-spaces\t',
  '00112233445566778899aabb:00112233445566778899aabbccddeeff:73',
];
const EVERY_BYTE = Buffer.from(Array.from(Array(256).keys()));

const cut = (length) => Buffer.from(LINE.repeat(Math.ceil(length / LINE.length)).slice(0, length));
const apiKey = (text) => JSON.stringify({ apiKey: text });

/**
 * Returns the plaintexts of a kind: first those for its first IV length, then those for a second
 * one. `wrap` turns a credential into what the service stores; a kind that stores text has no row
 * with every byte.
 */
function plaintexts({ wrap = (text) => text, text = false }) {
  const special = SPECIAL.map((special) => Buffer.from(wrap(special)));
  if (!text) special.push(EVERY_BYTE);
  return [[...[...LENGTHS, ...LONG_LENGTHS].map(cut), ...special], [...BLOCKS.map(cut), ...special]];
}

function openByN8n(keys, rows) {
  const { CipherAes256GCM } = createRequire(import.meta.url)(process.env.N8N_CIPHER);
  for (const { key, plaintext, columns: [text] } of rows) {
    const blob = text.slice(text.indexOf(':') + 1);
    const opened = new CipherAes256GCM().decrypt(blob, rawKey(keys[key]).toString('hex'));
    if (opened !== Buffer.from(plaintext, 'hex').toString()) throw new Error('n8n reads a different plaintext');
  }
  console.log(`n8n's own cipher opened ${rows.length} rows`);
}

async function file(kind, api, keys, stored, known = []) {
  const { ivs, write } = kinds[kind];
  const draw = draws(`${SEED}/${kind}`);
  const rows = [...known];
  for (const [i, ivLength] of ivs.entries()) {
    for (const plaintext of plaintexts(stored)[i]) {
      const key = rows.length % keys.length;
      const columns = await write(keys[key], plaintext, draw(ivLength), draw);
      rows.push({ key, plaintext: plaintext.toString('hex'), columns });
    }
  }
  const made_with = `Node ${process.version} (OpenSSL ${process.versions.openssl}), ${api}`;
  await openAll([{ kind, keys, rows }]);
  if (kind === 'n8n' && process.env.N8N_CIPHER) openByN8n(keys, rows);

  const lines = (list) => list.map((item) => JSON.stringify(item)).join(',\n');
  const head = `"kind":${JSON.stringify(kind)},\n"made_with":${JSON.stringify(made_with)}`;
  const text = `{${head},\n"keys":[\n${lines(keys)}\n],\n"rows":[\n${lines(rows)}\n]}\n`;
  writeFileSync(new URL(`${kind}.json`, import.meta.url), text);
  console.log(`${kind}: ${rows.length} rows, ${text.length} bytes`);
}

const draw = draws(`${SEED}/keys`);
const base64 = () => ({ text: draw(32).toString('base64'), as: 'base64' });
const hex = () => ({ text: draw(32).toString('hex'), as: 'hex' });

await file('hex-iv16-sha256', 'crypto.createCipheriv', [
  { text: 'an environment secret', as: 'sha256' },
  { text: ' clé, neither trimmed nor decoded\n', as: 'sha256' },
  { text: '', as: 'sha256' },
  { text: draw(32).toString('hex'), as: 'sha256' },
], {});
await file('lobechat', 'crypto.subtle', [base64(), base64()], { wrap: apiKey, text: true });
await file('langfuse', 'crypto.createCipheriv', [
  hex(),
  { text: draw(32).toString('hex').toUpperCase(), as: 'hex' },
  { text: '00'.repeat(32), as: 'repeated-byte' },
], { text: true });
await file('columns-base64', 'crypto.createCipheriv', [base64(), base64()], {});
await file('columns-hex', 'crypto.createCipheriv', [hex(), hex()], {});
await file('webcrypto', 'crypto.subtle', [base64(), base64()], {});
await file('typebot', 'crypto.subtle', [
  { text: 'thirty-two characters of a text.', as: 'utf8' },
  { text: 'trente-deux octets, dont un é :', as: 'utf8' },
], { wrap: apiKey, text: true });
await file('envelope', 'crypto.subtle', [
  base64(),
  { text: ' a key-encryption key, trimmed\n', as: 'sha256-trimmed' },
], {});
await file('n8n', 'crypto.createCipheriv and hkdfSync, by the layout of n8n-core 2.41.1', [
  // An older known answer, like the first row.
  {
    text: 'my-instance-key-é',
    as: 'n8n',
    name: 'KEYID0123456789ab',
    value:
      'AcF7H5Myxgxnp1ORSWMo/PxR3gj/0oFNLfRkmX1x/OhKvzfmiK0r8Oq8JFUtCyBBVTQ5uaOZeZXz14ZjOzPh' +
      'N/EnayZr9815zkQB6Q+g3twmRHTIoikquct/n76kV9obhUxh3yAxXe28CqX0cpGEbLk=',
  },
  n8nKey('my-second_key-Id', 'my-instance-key-é', draw(32), draw(32)),
  n8nKey('4f1c7a52-9d03-4b8e-8a61-2f7e5d90c3b4', draw(24).toString('base64'), draw(32), draw(32)),
  n8nKey('_', ' \n', draw(32), draw(32)),
], { wrap: apiKey, text: true }, [{
  key: 0,
  plaintext: Buffer.from(apiKey('sk-test-123')).toString('hex'),
  columns: [
    'KEYID0123456789ab:AbsSBXX+hucCALMNTkOdWHxO5WqEdWlPfrw98AIL7pyFJVJsJR6Oq5GhVgc9NnpyoSQj' +
      'PeDWlyJj0Is6mW1PYLITMD2NzGSNsw==',
  ],
}]);
