// Writes rows as LangWatch, Formbricks and Infisical do, in this order.
import { createCipheriv } from "node:crypto";

const bytes = (from, count) => Buffer.from(Array.from({ length: count }, (_, i) => from + i));

function encrypt(key, iv) {
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const ciphertext = Buffer.concat([cipher.update("sk-test-123", "utf8"), cipher.final()]);
  return { iv, ciphertext, tag: cipher.getAuthTag() };
}

const key = bytes(0, 32);
// The IVs are fixed, so that the rows are the same each time.
const langwatch = encrypt(key, bytes(0x40, 12));
const formbricks = encrypt(key, bytes(0x40, 16));
for (const { iv, ciphertext, tag } of [langwatch, formbricks]) {
  console.log([iv, ciphertext, tag].map((part) => part.toString("hex")).join(":"));
}
// A key of 16 bytes in hex, whose 32 digits are used as they are.
const infisical = encrypt("000102030405060708090a0b0c0d0e0f", bytes(0x40, 16));
console.log([infisical.ciphertext, infisical.iv, infisical.tag].map((part) => part.toString("base64")).join(" "));
