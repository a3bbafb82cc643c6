// Runs the WebAssembly module's round trip a hundred times: node run.mjs MODULE
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

let drawn = 0;
const imports = {
  host: {
    fill_random(start, len) {
      webcrypto.getRandomValues(new Uint8Array(instance.exports.memory.buffer, start, len));
      drawn += len;
    },
  },
};
const module = new WebAssembly.Module(readFileSync(process.argv[2]));
let instance;
for (let run = 0; run < 100; run++) {
  instance = new WebAssembly.Instance(module, imports);
  const failed = instance.exports.round_trip();
  if (failed !== 0) throw new Error(`step ${failed} failed`);
}
// Two master keys, a data key and an IV.
if (drawn !== 100 * (32 + 32 + 44)) throw new Error(`${drawn} random bytes drawn`);
console.log("wasm32: sealed, parsed, opened, refused and rewrapped 100 times in Node");
