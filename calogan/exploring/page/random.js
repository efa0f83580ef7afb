// Random numbers that any (seed, event) gives again: Philox4x32-10 of Salmon, Moraes, Dror and
// Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC11), which passes BigCrush, and the
// Box-Muller transform. Keys and counters are those of the C++ runner, so a seed and an event
// number give the latents that calogan-generate draws.

const LATENTS = 0; // what an event's numbers are for; different purposes share none
const CONDITIONS = 1;

// High half of the product of two 32-bit words: doubles hold no 64 bits.
function highWord(a, b) {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = a1 * b0 + ((a0 * b0) >>> 16);
  const middle = a0 * b1 + (low % 65536);
  return (a1 * b1 + Math.floor(low / 65536) + Math.floor(middle / 65536)) >>> 0;
}

// Replaces the four counter words by random ones.
export function philox(words, key0, key1) {
  let [c0, c1, c2, c3] = words;
  for (let round = 0; round < 10; ++round) {
    const high0 = highWord(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0) >>> 0;
    const high1 = highWord(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    c0 = (high1 ^ c1 ^ key0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ key1) >>> 0;
    c3 = low0;
    key0 = (key0 + 0x9e3779b9) >>> 0;
    key1 = (key1 + 0xbb67ae85) >>> 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

const high32 = (whole) => Math.floor(whole / 2 ** 32) >>> 0;

function block(words, seed, event, stream, number) {
  words[0] = number;
  words[1] = stream;
  words[2] = event >>> 0;
  words[3] = high32(event);
  philox(words, seed >>> 0, high32(seed));
}

// Middle of one of 2^32 equal parts of (0, 1).
const openUnit = (word) => (word + 0.5) * 2 ** -32;

// An event's latents: n standard normal deviates in single precision, into out[first ...].
export function normals(seed, event, n, out, first = 0) {
  const words = new Uint32Array(4);
  for (let i = 0; i < n; i += 4) {
    block(words, seed, event, LATENTS, i / 4);
    for (let pair = 0; pair < 4 && i + pair < n; pair += 2) {
      const radius = Math.sqrt(-2 * Math.log(openUnit(words[pair])));
      const angle = 2 * Math.PI * openUnit(words[pair + 1]);
      out[first + i + pair] = Math.fround(radius * Math.cos(angle));
      if (i + pair + 1 < n) out[first + i + pair + 1] = Math.fround(radius * Math.sin(angle));
    }
  }
}

// An event's n uniform numbers in (0, 1), from which its conditions are drawn.
export function uniforms(seed, event, n) {
  const words = new Uint32Array(4);
  return Array.from({ length: n }, (_, i) => {
    if (i % 4 === 0) block(words, seed, event, CONDITIONS, i / 4);
    return openUnit(words[i % 4]);
  });
}
