/** Reads one file out of a tar archive. Source: POSIX.1-2024, pax utility, ustar interchange format. */

const BLOCK = 512;
const NAME = { from: 0, to: 100 } as const;
const SIZE = { from: 124, to: 136 } as const;
const CHECKSUM = { from: 148, to: 156 } as const;
const TYPE = 156;
const SPACE = 0x20;
/** A regular file; early writers put a zero byte. */
const REGULAR: ReadonlySet<number> = new Set(["0".charCodeAt(0), 0]);

interface Member {
  readonly name: string;
  readonly bytes: number;
  readonly isFile: boolean;
}

export interface MemberOptions {
  /** Its name without folders. */
  readonly name: string;
  /** No member may be larger, and neither may all of them together. */
  readonly bytesMax: number;
}

/**
 * The bytes of the first file of that name. Reads the archive to its end, so that who checks it sees all of it.
 * Throws: Error saying what is wrong with the archive.
 */
export async function* memberOf(
  archive: AsyncIterable<Buffer>,
  { name, bytesMax }: MemberOptions,
): AsyncGenerator<Buffer> {
  const input = new Blocks(archive, bytesMax);
  let isFound = false;
  for (;;) {
    const header = await input.take(BLOCK);
    if (header === null) throw new Error("the archive ends early");
    if (header.every((byte) => byte === 0)) break;
    const member = readHeader(header);
    const isWanted = !isFound && member.isFile && baseOf(member.name) === name;
    if (isWanted) isFound = true;
    let left = member.bytes;
    while (left > 0) {
      const bytes = await input.some(left);
      if (bytes === null) throw new Error("the archive ends early");
      left -= bytes.length;
      if (isWanted) yield bytes;
    }
    await input.take((BLOCK - (member.bytes % BLOCK)) % BLOCK);
  }
  await input.drain();
  if (!isFound) throw new Error(`the archive has no ${name}`);
}

const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

function readHeader(header: Buffer): Member {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) {
    sum += i >= CHECKSUM.from && i < CHECKSUM.to ? SPACE : (header[i] as number);
  }
  if (sum !== octal(header, CHECKSUM)) throw new Error("it is no tar archive");
  return {
    name: text(header, NAME),
    bytes: octal(header, SIZE),
    isFile: REGULAR.has(header[TYPE] as number),
  };
}

interface Field {
  readonly from: number;
  readonly to: number;
}

function text(header: Buffer, { from, to }: Field): string {
  const end = header.indexOf(0, from);
  return header.toString("utf8", from, end < 0 ? to : Math.min(end, to));
}

function octal(header: Buffer, field: Field): number {
  const digits = text(header, field).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Error("it is no tar archive");
  return Number.parseInt(digits, 8);
}

/** Chunks as they come, taken as many bytes at a time as are asked for. */
class Blocks {
  private readonly chunks: AsyncIterator<Buffer>;
  private readonly bytesMax: number;
  private held: Buffer = Buffer.alloc(0);
  private seen = 0;

  constructor(archive: AsyncIterable<Buffer>, bytesMax: number) {
    this.chunks = archive[Symbol.asyncIterator]();
    this.bytesMax = bytesMax;
  }

  /** Exactly so many, or null when there are fewer. */
  async take(count: number): Promise<Buffer | null> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const bytes = await this.some(left);
      if (bytes === null) return null;
      parts.push(bytes);
      left -= bytes.length;
    }
    return Buffer.concat(parts);
  }

  /** At least one and at most so many, or null at the end. */
  async some(countMax: number): Promise<Buffer | null> {
    while (this.held.length === 0) {
      const { done, value } = await this.chunks.next();
      if (done) return null;
      this.seen += value.length;
      if (this.seen > this.bytesMax) throw new Error(`it is larger than ${this.bytesMax} bytes`);
      this.held = value;
    }
    const bytes = this.held.subarray(0, countMax);
    this.held = this.held.subarray(bytes.length);
    return bytes;
  }

  async drain(): Promise<void> {
    while ((await this.some(Number.MAX_SAFE_INTEGER)) !== null);
  }
}
