import { randomBytes } from "node:crypto";
import { readSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { NONCE_BYTES, nonceOf, SEGMENT_HEAD_BYTES, segmentHead } from "./frame.ts";

/** A file of a store, and while it is new its bytes in memory. */
export class Segment {
  readonly name: string;
  /** Address of its first byte: addresses go on from segment to segment. */
  readonly base: number;
  readonly nonce: Buffer;
  /** So much of it is written. */
  bytes: number;
  /** Of that: records that are the newest of their keys. */
  liveBytes = 0;
  /** Null: it is read from the file. */
  memory: Buffer | null;
  private readonly file: FileHandle;

  private constructor(
    file: FileHandle,
    its: { name: string; base: number; nonce: Buffer; bytes: number; memory: Buffer | null },
  ) {
    this.file = file;
    this.name = its.name;
    this.base = its.base;
    this.nonce = its.nonce;
    this.bytes = its.bytes;
    this.memory = its.memory;
  }

  /** A new one, whose bytes go to `memory` first. */
  static create(
    directory: string,
    its: { readonly name: string; readonly base: number; readonly memory: Buffer },
  ): Promise<Segment> {
    const nonce = randomBytes(NONCE_BYTES);
    segmentHead(nonce).copy(its.memory);
    return Segment.begin(directory, { ...its, nonce, bytes: SEGMENT_HEAD_BYTES });
  }

  /** One that is there; null: it is none of ours. `bytes` is the length of the file. */
  static async open(directory: string, name: string, base: number): Promise<Segment | null> {
    const file = await open(join(directory, name), "r+");
    try {
      const { size } = await file.stat();
      const head = Buffer.alloc(SEGMENT_HEAD_BYTES);
      const { bytesRead } = await file.read(head, 0, SEGMENT_HEAD_BYTES, 0);
      const nonce = nonceOf(head.subarray(0, bytesRead));
      if (nonce !== null)
        return new Segment(file, { name, base, nonce, bytes: size, memory: null });
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
    await file.close();
    return null;
  }

  /** The same in a file of another name, its bytes in `memory` as well. */
  async copy(directory: string, name: string, memory: Buffer): Promise<Segment> {
    await this.readAll(memory);
    const { base, nonce, bytes } = this;
    const copy = await Segment.begin(directory, { name, base, nonce, bytes, memory });
    copy.liveBytes = this.liveBytes;
    return copy;
  }

  /** Writes the first `bytes` of `memory`, or leaves no file. */
  private static async begin(
    directory: string,
    its: { name: string; base: number; nonce: Buffer; bytes: number; memory: Buffer },
  ): Promise<Segment> {
    const path = join(directory, its.name);
    const file = await open(path, "wx+");
    const segment = new Segment(file, { ...its, bytes: 0 });
    try {
      await segment.append(its.bytes);
      return segment;
    } catch (thrown) {
      await file.close();
      await rm(path, { force: true });
      throw thrown;
    }
  }

  get end(): number {
    return this.base + this.bytes;
  }

  /** Writes what lies in memory behind its end, up to `end`, which is its end then. */
  async append(end: number): Promise<void> {
    const { memory } = this;
    if (memory === null) throw new TypeError("a segment is written from its memory");
    for (let at = this.bytes; at < end; ) {
      at += (await this.file.write(memory, at, end - at, at)).bytesWritten;
    }
    this.bytes = end;
  }

  /** A copy of what lies there. */
  read(at: number, length: number): Buffer {
    const own = Buffer.allocUnsafe(length);
    if (this.memory !== null) this.memory.copy(own, 0, at, at + length);
    else this.readInto(own, at);
    return own;
  }

  /** The whole of it, in memory that may be the next one's then. */
  async readAll(into: Buffer): Promise<void> {
    for (let at = 0; at < this.bytes; ) {
      const { bytesRead } = await this.file.read(into, at, this.bytes - at, at);
      if (bytesRead === 0) throw new RangeError(`${this.name} ends at ${at} of ${this.bytes}`);
      at += bytesRead;
    }
  }

  flush(): Promise<void> {
    return this.file.datasync();
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private readInto(own: Buffer, at: number): void {
    for (let done = 0; done < own.length; ) {
      const read = readSync(this.file.fd, own, done, own.length - done, at + done);
      if (read === 0) throw new RangeError(`${this.name} ends before ${at + own.length}`);
      done += read;
    }
  }
}
