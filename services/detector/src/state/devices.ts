import { Reader, Writer } from "@vigie/core/bytes";
import { type Id, isUuidIdAt, readId, sameId, writeId } from "./id.ts";
import { type Print, readPrint, writePrint } from "./print.ts";

const scratch = new Writer(1_024);

/** A device as it was last seen. */
export interface KnownDevice {
  readonly deviceId: Id;
  readonly atMs: number;
  /** It was found changed; the same signals are not told of again. */
  readonly told: boolean;
  readonly print: Print;
}

/** A device in its bytes. */
export interface FoundDevice extends KnownDevice {
  readonly from: number;
  readonly to: number;
}

/** Stands for a device without an id; only a producer's own comparison counts for it. */
export const UNNAMED = "";

/** More devices than people use; beyond it the one not seen for longest is forgotten. */
export const DEVICES_MAX = 8;

/** Beyond it, too, the one not seen for longest is forgotten. Eight common phones take less. */
export const DEVICES_BYTES_MAX = 1_600;

/**
 * The devices of a user, the one last seen first: count, then id, time and a bit, print. A device that is seen again
 * is put in front; the bytes of the others are copied as they are.
 */
export class Devices {
  static readonly none: Devices = new Devices(null, null, Buffer.from([0]), 0, 1);

  /** A device that is to stand in front, in the place of `replaced`; not yet in the bytes. */
  private readonly front: KnownDevice | null;
  private readonly replaced: FoundDevice | null;
  private readonly bytes: Buffer;
  private readonly from: number;
  private readonly to: number;

  private constructor(
    front: KnownDevice | null,
    replaced: FoundDevice | null,
    bytes: Buffer,
    from: number,
    to: number,
  ) {
    this.front = front;
    this.replaced = replaced;
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  static read(reader: Reader): Devices {
    const from = reader.at;
    reader.skip(reader.end - from);
    return new Devices(null, null, reader.bytes, from, reader.end);
  }

  /** The same devices, all of them in bytes. */
  settled(): Devices {
    if (this.front === null) return this;
    this.write(scratch);
    const bytes = scratch.finish();
    return new Devices(null, null, bytes, 0, bytes.length);
  }

  /** Of settled devices. */
  find(deviceId: string): FoundDevice | null {
    const reader = new Reader(this.bytes, this.from, this.to);
    for (let left = reader.u8(); left > 0; left--) {
      const device = readDevice(reader);
      if (sameId(device.deviceId, deviceId)) return device;
    }
    return null;
  }

  /** Whether the device is the one last seen, as far as its bytes tell at a glance. */
  isInFront(deviceId: string): boolean {
    if (this.front !== null) return sameId(this.front.deviceId, deviceId);
    return this.bytes[this.from] !== 0 && isUuidIdAt(this.bytes, this.from + 1, deviceId);
  }

  /** Of settled devices: how many have an id of their own. */
  namedCount(): number {
    let count = 0;
    for (const { deviceId } of this.list()) if (!sameId(deviceId, UNNAMED)) count++;
    return count;
  }

  /** Of settled devices: with one in front that was found here, or is new. */
  withFront(front: KnownDevice, replaced: FoundDevice | null): Devices {
    return new Devices(front, replaced, this.bytes, this.from, this.to);
  }

  /** Of settled devices, the one last seen first. */
  *list(): Iterable<FoundDevice> {
    const reader = new Reader(this.bytes, this.from, this.to);
    for (let left = reader.u8(); left > 0; left--) yield readDevice(reader);
  }

  write(writer: Writer): void {
    const { front, replaced, bytes, from, to } = this;
    if (front === null) {
      writer.copy(bytes, from, to);
      return;
    }
    const start = writer.at;
    writer.room(1);
    writer.u8(1);
    writeId(writer, front.deviceId);
    writer.u48(front.atMs * 2 + (front.told ? 1 : 0));
    writePrint(writer, front.print);
    const others = (bytes[from] as number) - (replaced === null ? 0 : 1);
    if (others > 0) this.writeOthers(writer, start);
  }

  /** Behind the front that was written at `start`, as many as there is room for. */
  private writeOthers(writer: Writer, start: number): void {
    let count = 1;
    for (const { from, to } of this.list()) {
      if (from === this.replaced?.from) continue;
      const bytes = writer.at - start + to - from;
      if (count === DEVICES_MAX || bytes > DEVICES_BYTES_MAX) break;
      writer.copy(this.bytes, from, to);
      count++;
    }
    writer.bytes[start] = count;
  }
}

function readDevice(reader: Reader): FoundDevice {
  const from = reader.at;
  const deviceId = readId(reader);
  const packed = reader.u48();
  const print = readPrint(reader);
  const told = packed % 2 === 1;
  return { deviceId, atMs: (packed - (told ? 1 : 0)) / 2, told, print, from, to: reader.at };
}
