// Files that were chosen, as one zip without packing: the server takes one file at a time.
import { crc32 } from "./raster.js";

const MOST = 65_000;

// Returns a Blob. The files stay where they are; each is read once, for its checksum.
export async function zipFiles(files) {
  if (files.length > MOST) throw new Error(`choose at most ${MOST} files, or a zip`);
  const parts = [], records = [];
  let offset = 0;
  for (const file of files) {
    const name = new TextEncoder().encode(file.name);
    const sum = crc32(new Uint8Array(await file.arrayBuffer()));
    // version, flags (names are UTF-8), no packing, 1980-01-01
    const common = [[20, 2], [0x800, 2], [0, 2], [0, 2], [33, 2], [sum, 4], [file.size, 4], [file.size, 4], [name.length, 2], [0, 2]];
    const head = bytes([[0x04034b50, 4], ...common]);
    parts.push(head, name, file);
    records.push(bytes([[0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), name);
    offset += head.length + name.length + file.size;
  }
  const listed = records.reduce((sum, each) => sum + each.length, 0);
  const end = bytes([[0x06054b50, 4], [0, 4], [files.length, 2], [files.length, 2], [listed, 4], [offset, 4], [0, 2]]);
  return new Blob([...parts, ...records, end], { type: "application/zip" });
}

function bytes(fields) {
  const made = new DataView(new ArrayBuffer(fields.reduce((sum, [, size]) => sum + size, 0)));
  let at = 0;
  for (const [value, size] of fields) {
    if (size === 2) made.setUint16(at, value, true);
    else made.setUint32(at, value >>> 0, true);
    at += size;
  }
  return new Uint8Array(made.buffer);
}
