/** What Python packed (stkit.viewers.packet): typed arrays, one after another in one buffer. */

const TYPES = {
  f4: Float32Array,
  u4: Uint32Array,
  u2: Uint16Array,
  i2: Int16Array,
  u1: Uint8Array,
  i1: Int8Array,
};

/**
 * Take a packet's bytes apart.
 * @param {object} header the packet's header; `arrays` is {name: [offset in bytes, type, length]}
 * @param {ArrayBuffer | DataView | Uint8Array} bytes the packet's bytes
 * @returns {Object<string, Float32Array | Uint32Array | Uint16Array | Int16Array | Uint8Array | Int8Array>}
 *   flat arrays by their names
 */
export function unpack(header, bytes) {
  const whole =
    bytes instanceof ArrayBuffer
      ? new Uint8Array(bytes)
      : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = {};
  for (const [name, [offset, type, length]] of Object.entries(header.arrays)) {
    const TypedArray = TYPES[type];
    const end = offset + length * TypedArray.BYTES_PER_ELEMENT;
    data[name] = new TypedArray(whole.slice(offset, end).buffer);
  }
  return data;
}

/**
 * Undo base64 and gzip: how a page carries a packet's bytes as text.
 * @param {string} text base64 of gzipped bytes
 * @returns {Promise<ArrayBuffer>} the packet's bytes
 */
export async function decompress(text) {
  const packed = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
