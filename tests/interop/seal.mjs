// The sealwax envelope format, version 1: the writer. Written from the format page and its known answers alone.
//
// stdin, one per line:  {"suite": text, "keyring": …, "context": [[name, value], …], "plaintext": hex,
//                        optional "random": hex of data key || IV,
//                        optional "opaque": [{"id": …, "body": hex}, …], provider wraps, which come last}
// stdout, one per line: {"text": …, "binary": hex, "context": hex of the encoded context} or {"error": class}
import { createCipheriv, randomBytes } from 'node:crypto';
import { MAX_PLAINTEXT, checkWraps, decodeHex, derive, encodeBase64url, encodeContext, envelopeMac, findSuite, head,
  isWeak, join, localCheck, localPad, localSalt, parseKeyring, refuseIf, serve, u8, xor } from './page.mjs';

function wrapLocal(master, keyId, suite, commitment, dek) {
  const salt = localSalt(master, keyId, suite, commitment, dek);
  return join(u8(1), localCheck(master), salt, xor(dek, localPad(master, salt)));
}

const wrapOpaque = (body) => join(u8(2), body);

// Returns both forms of the envelope.
function seal(keyring, suite, context, plaintext, random, opaque) {
  const [dek, iv] = [random.subarray(0, 32), random.subarray(32)];
  refuseIf(random.length !== 44 || isWeak(dek), 'format');
  const [key, commitment] = derive(dek, suite, iv, context);
  const sealingKeys = keyring.filter((entry) => ['primary', 'escrow'].includes(entry.state));
  const wraps = [
    ...sealingKeys.map((entry) => [entry.id, wrapLocal(entry.key, entry.id, suite, commitment, dek)]),
    ...opaque.map(([keyId, body]) => [keyId, wrapOpaque(body)]),
  ];
  checkWraps(wraps);
  refuseIf(plaintext.length > MAX_PLAINTEXT, 'too_long');
  const cipher = createCipheriv(suite.cipher, key, iv, { authTagLength: 16 });
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const tag = cipher.getAuthTag();
  const envelopeHead = head(suite, wraps, commitment);
  const mac = envelopeMac(dek, envelopeHead, iv, tag, ciphertext);
  const wrapsText = wraps.map(([keyId, wrapped]) => keyId + '=' + encodeBase64url(wrapped)).join(',');
  const fields = [join(commitment, mac), iv, tag, ciphertext].map(encodeBase64url);
  const text = ['sw1', suite.text, wrapsText, ...fields].join(':');
  return { text, binary: join(envelopeHead, mac, iv, tag, ciphertext) };
}

await serve((request) => {
  const keyring = parseKeyring(request.keyring);
  const context = encodeContext(request.context);
  refuseIf(request.context.some(([name]) => name.startsWith('sw1/')), 'context');
  const suite = findSuite((suite) => suite.text === request.suite);
  const random = request.random !== undefined ? decodeHex(request.random) : randomBytes(44);
  const opaque = (request.opaque ?? []).map((wrap) => [wrap.id, decodeHex(wrap.body)]);
  const { text, binary } = seal(keyring, suite, context, decodeHex(request.plaintext), random, opaque);
  return { text, binary: binary.toString('hex'), context: context.toString('hex') };
});
