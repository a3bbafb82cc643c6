// The sealwax envelope format, version 1: the reader. Written from the format page and its known answers alone.
//
// stdin, one per line:  {"text": … or "binary": hex, "keyring": …, "context": [[name, value], …]}
// stdout, one per line: {"plaintext": hex} or {"error": class}
import { createDecipheriv } from 'node:crypto';
import { MAX_PLAINTEXT, OPENING_STATES, REFUSED_STATES, Refused, checkWraps, decodeBase64url, decodeHex, derive,
  encodeContext, envelopeMac, equal, findSuite, head, isWeak, localCheck, localPad, localSalt, parseKeyring, refuseIf,
  serve, xor } from './page.mjs';

function checked(envelope) {
  checkWraps(envelope.wraps);
  refuseIf(envelope.ciphertext.length > MAX_PLAINTEXT, 'format');
  return envelope;
}

// Binary form [8]

function parseBinary(data) {
  refuseIf(data.length >= 3 && data.toString('latin1', 0, 2) === 'SW' && data[2] > 1, 'newer_version');
  let at = 0;
  const take = (n) => {
    refuseIf(at + n > data.length, 'format');
    at += n;
    return data.subarray(at - n, at);
  };
  const takeNumber = (n) => take(n).readUIntBE(0, n);
  const takeWrap = () => {
    const keyId = take(takeNumber(1)).toString('latin1');      // one character per byte; checkWraps validates them
    return [keyId, take(takeNumber(2))];
  };
  refuseIf(take(3).toString('latin1') !== 'SW\x01', 'format');
  const suiteId = takeNumber(1);
  const suite = findSuite((suite) => suite.id === suiteId);
  const wraps = Array.from({ length: takeNumber(1) }, takeWrap);
  const [commitment, mac, iv, tag] = [take(32), take(16), take(12), take(16)];
  return checked({ suite, wraps, commitment, mac, iv, tag, ciphertext: data.subarray(at) });
}

// Text form [9]

function parseText(text) {
  const version = /^sw([1-9][0-9]{0,2}):/.exec(text);
  refuseIf(version !== null && Number(version[1]) >= 2 && Number(version[1]) <= 255, 'newer_version');
  const fields = text.split(':', 8);
  refuseIf(fields.length !== 7 || fields[0] !== 'sw1', 'format');
  const suite = findSuite((suite) => suite.text === fields[1]);
  const wraps = fields[2].split(',', 9).map(parseWrap);
  const [proof, iv, tag] = [decodeField(fields[3], 48), decodeField(fields[4], 12), decodeField(fields[5], 16)];
  const [commitment, mac] = [proof.subarray(0, 32), proof.subarray(32)];
  return checked({ suite, wraps, commitment, mac, iv, tag, ciphertext: decodeField(fields[6]) });
}

function parseWrap(text) {
  const end = text.indexOf('=');
  refuseIf(end < 0, 'format');
  return [text.slice(0, end), decodeField(text.slice(end + 1))];
}

function decodeField(text, length) {
  const data = decodeBase64url(text);
  refuseIf(data === null || (length !== undefined && data.length !== length), 'format');
  return data;
}

// The procedures [11]

function unwrapLocal(master, keyId, suite, commitment, wrapped) {
  refuseIf(wrapped[0] !== 1, 'wrong_wrap_kind');
  refuseIf(wrapped.length !== 61, 'wrap_altered');
  refuseIf(!equal(wrapped.subarray(1, 5), localCheck(master)), 'wrong_key_material');
  const salt = wrapped.subarray(5, 29);
  const dek = xor(wrapped.subarray(29), localPad(master, salt));
  refuseIf(!equal(salt, localSalt(master, keyId, suite, commitment, dek)), 'wrap_altered');
  refuseIf(isWeak(dek), 'wrap_altered');
  return dek;
}

function dataKeyUnder(entry, wrapped, envelope) {
  const { suite, wraps, commitment, iv, tag, ciphertext } = envelope;
  const dek = unwrapLocal(entry.key, entry.id, suite, commitment, wrapped);
  const mac = envelopeMac(dek, head(suite, wraps, commitment), iv, tag, ciphertext);
  refuseIf(!equal(mac, envelope.mac), 'envelope_altered');
  return dek;
}

function dataKey(keyring, envelope) {
  const wraps = new Map(envelope.wraps);
  const entries = keyring.filter((entry) => wraps.has(entry.id));
  const states = entries.map((entry) => entry.state);
  const candidates = entries.filter((entry) => OPENING_STATES.includes(entry.state));
  if (candidates.length === 0) {
    for (const state of REFUSED_STATES) refuseIf(states.includes(state), 'key_' + state);
    throw new Refused('unknown_key');
  }
  refuseIf(states.includes('leaked'), 'key_leaked');
  const failures = [];
  for (const entry of candidates) {
    try {
      return dataKeyUnder(entry, wraps.get(entry.id), envelope);
    } catch (failure) {
      if (!(failure instanceof Refused)) throw failure;
      failures.push(failure);
    }
  }
  throw failures[0];
}

function openEnvelope(keyring, envelope, context) {
  const { suite, iv, tag, ciphertext } = envelope;
  const [key, commitment] = derive(dataKey(keyring, envelope), suite, iv, context);
  refuseIf(!equal(commitment, envelope.commitment), 'context_mismatch');
  const decipher = createDecipheriv(suite.cipher, key, iv, { authTagLength: 16 }).setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  try {
    return Buffer.concat([plaintext, decipher.final()]);       // final() checks the tag
  } catch {
    throw new Refused('payload_altered');
  }
}

await serve((request) => {
  const keyring = parseKeyring(request.keyring);
  const context = encodeContext(request.context);
  const envelope = request.text !== undefined ? parseText(request.text) : parseBinary(decodeHex(request.binary));
  return { plaintext: openEnvelope(keyring, envelope, context).toString('hex') };
});
