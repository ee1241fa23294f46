import { hash } from "node:crypto";

const UTF8_BYTES_A_UNIT = 3;

/**
 * The UUID of a name in a namespace of 16 bytes.
 * Source: RFC 9562 section 5.5, version 5 (SHA-1 of namespace and name).
 */
export function uuidV5(namespace: Buffer, name: string): string {
  const room = Buffer.allocUnsafe(namespace.length + name.length * UTF8_BYTES_A_UNIT);
  namespace.copy(room);
  const end = namespace.length + room.write(name, namespace.length);
  const hex = hash("sha1", room.subarray(0, end), "hex");
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  const high = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}`;
  return `${high}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
