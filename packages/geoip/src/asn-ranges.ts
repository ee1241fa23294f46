import { VigError } from "@vigie/core/errors";
import { parseAddress, words } from "./address.ts";
import { type GeoFile, type Organisation, organisationOf } from "./geoip.ts";

const NEWLINE = 0x0a;
const COMMA = 0x2c;
const DOT = 0x2e;
const COLON = 0x3a;
const QUOTE = 0x22;
const ZERO = 0x30;

/** Columns of numbers in shared memory, so that all threads look into one copy. */
type Column = Uint32Array<SharedArrayBuffer>;

/** Ranges sorted by start. A v6 range is kept by its upper 64 bits, since no network is smaller. */
export interface RangeTable {
  readonly startHigh: Column;
  readonly startLow: Column;
  readonly endHigh: Column;
  readonly endLow: Column;
  /** Index of the organisation. */
  readonly owner: Column;
}

/** Autonomous systems by ranges of addresses: half a million ranges in 14 MB, plain data that threads can share. */
export interface AsnTable {
  readonly v4: RangeTable;
  readonly v6: RangeTable;
  /** The number of each organisation's system. */
  readonly numbers: Column;
  /** The organisations' names one after the other, and where each begins; one more start than names. */
  readonly names: Uint8Array<SharedArrayBuffer>;
  readonly nameStarts: Column;
}

/**
 * Reads CSV lines `start,end,asn,organisation` sorted by start, as in the npm package @ip-location-db/asn.
 * Throws: VIG_GEOIP_INVALID at a line that is no range, and for a file without any.
 */
export function parseAsnCsv(files: readonly GeoFile[]): AsnTable {
  const v4 = new RangesBuilder();
  const v6 = new RangesBuilder();
  const names = new Names();
  for (const file of files) {
    let at = 0;
    do {
      const line = new Line(file, at);
      (line.isV6 ? v6 : v4).add(line, names);
      at = line.next;
    } while (at < file.bytes.length);
  }
  return { v4: v4.done(), v6: v6.done(), ...names.done() };
}

/** Looks addresses up in a table. */
export class AsnRanges {
  private readonly table: AsnTable;
  private readonly organisations: (Organisation | undefined)[] = [];

  constructor(table: AsnTable) {
    this.table = table;
  }

  /** The organisation of the address in `words`, or null. */
  find(family: 4 | 6): Organisation | null {
    const ranges = family === 4 ? this.table.v4 : this.table.v6;
    const at = indexOf(ranges, words[0] as number, family === 4 ? 0 : (words[1] as number));
    return at < 0 ? null : this.organisation(ranges.owner[at] as number);
  }

  private organisation(index: number): Organisation {
    let known = this.organisations[index];
    if (known === undefined) {
      const { names, nameStarts, numbers } = this.table;
      const bytes = Buffer.from(names.buffer, names.byteOffset, names.length);
      const name = bytes.toString("utf8", nameStarts[index], nameStarts[index + 1]);
      known = organisationOf(numbers[index] ?? null, name);
      this.organisations[index] = known;
    }
    return known;
  }
}

/** The range that holds the number, or -1. */
function indexOf(ranges: RangeTable, high: number, low: number): number {
  const { startHigh, startLow } = ranges;
  let first = 0;
  let after = startHigh.length;
  while (first < after) {
    const middle = (first + after) >>> 1;
    const start = startHigh[middle] as number;
    const begins = start < high || (start === high && (startLow[middle] as number) <= low);
    if (begins) first = middle + 1;
    else after = middle;
  }
  const at = first - 1;
  if (at < 0) return -1;
  const end = ranges.endHigh[at] as number;
  return high < end || (high === end && low <= (ranges.endLow[at] as number)) ? at : -1;
}

const shared = (length: number): Column =>
  new Uint32Array(new SharedArrayBuffer(length * Uint32Array.BYTES_PER_ELEMENT));

class RangesBuilder {
  private columns = Array.from({ length: 5 }, () => new Uint32Array(65_536));
  private count = 0;

  add(line: Line, names: Names): void {
    if (this.count === this.columns[0]?.length) {
      this.columns = this.columns.map((column) => {
        const larger = new Uint32Array(column.length * 2);
        larger.set(column);
        return larger;
      });
    }
    const row = this.count++;
    const [startHigh, startLow, endHigh, endLow, owner] = this.columns as Columns;
    line.readAddress();
    startHigh[row] = line.high;
    startLow[row] = line.low;
    line.readAddress();
    endHigh[row] = line.high;
    endLow[row] = line.low;
    owner[row] = names.indexOf(line.readNumber(), line);
    const last = row - 1;
    const sorted =
      row === 0 ||
      (startHigh[last] as number) < (startHigh[row] as number) ||
      ((startHigh[last] as number) === (startHigh[row] as number) &&
        (startLow[last] as number) <= (startLow[row] as number));
    if (!sorted) throw line.fault("its lines are not sorted by start");
  }

  done(): RangeTable {
    const [startHigh, startLow, endHigh, endLow, owner] = this.columns.map((column) => {
      const exact = shared(this.count);
      exact.set(column.subarray(0, this.count));
      return exact;
    }) as SharedColumns;
    return { startHigh, startLow, endHigh, endLow, owner };
  }
}

type Columns = [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];
type SharedColumns = [Column, Column, Column, Column, Column];

/** Each autonomous system's name once. */
class Names {
  private readonly list: Buffer[] = [];
  private readonly byNumber = new Map<number, number>();

  indexOf(asn: number, line: Line): number {
    let index = this.byNumber.get(asn);
    if (index === undefined) {
      index = this.list.push(Buffer.from(line.rest())) - 1;
      this.byNumber.set(asn, index);
    }
    return index;
  }

  done(): Pick<AsnTable, "numbers" | "names" | "nameStarts"> {
    const numbers = shared(this.byNumber.size);
    for (const [asn, index] of this.byNumber) numbers[index] = asn;
    const nameStarts = shared(this.list.length + 1);
    this.list.forEach((name, index) => {
      nameStarts[index + 1] = (nameStarts[index] as number) + name.length;
    });
    const names = new Uint8Array(new SharedArrayBuffer(nameStarts.at(-1) ?? 0));
    this.list.forEach((name, index) => {
      names.set(name, nameStarts[index]);
    });
    return { numbers, names, nameStarts };
  }
}

/** A cursor over the fields of one line; reading the bytes in place is ten times as fast as splitting texts. */
class Line {
  readonly isV6: boolean;
  /** Where the next line begins. */
  readonly next: number;
  high = 0;
  low = 0;
  private readonly file: string;
  private readonly bytes: Buffer;
  private readonly end: number;
  private at: number;

  constructor({ file, bytes }: GeoFile, from: number) {
    this.file = file;
    this.bytes = bytes;
    const newline = bytes.indexOf(NEWLINE, from);
    this.end = newline < 0 ? bytes.length : newline;
    this.next = this.end + 1;
    this.at = from;
    let sign = from;
    while (sign < this.end && bytes[sign] !== COLON && bytes[sign] !== DOT) sign++;
    this.isV6 = bytes[sign] === COLON;
  }

  readNumber(): number {
    let value = 0;
    const from = this.at;
    for (; this.at < this.end && this.bytes[this.at] !== COMMA; this.at++) {
      const digit = (this.bytes[this.at] as number) - ZERO;
      if (digit < 0 || digit > 9) throw this.fault("a number holds other characters");
      value = value * 10 + digit;
    }
    if (this.at === from || this.at++ === this.end) throw this.fault("a field is missing");
    return value;
  }

  readAddress(): void {
    if (this.isV6) this.readV6();
    else this.readV4();
    if (this.bytes[this.at++] !== COMMA) throw this.fault("an address is not whole");
  }

  private readV4(): void {
    let value = 0;
    for (let part = 0; part < 4; part++) {
      let number = -1;
      for (; this.at < this.end; this.at++) {
        const digit = (this.bytes[this.at] as number) - ZERO;
        if (digit < 0 || digit > 9) break;
        number = Math.max(number, 0) * 10 + digit;
      }
      if (number < 0 || number > 255) throw this.fault("an address is not whole");
      if (part < 3 && this.bytes[this.at++] !== DOT) throw this.fault("an address is not whole");
      value = value * 256 + number;
    }
    this.high = value;
    this.low = 0;
  }

  private readV6(): void {
    const comma = this.bytes.indexOf(COMMA, this.at);
    const family = parseAddress(this.bytes.toString("latin1", this.at, Math.max(comma, this.at)));
    if (family !== 6) throw this.fault("an address is not whole");
    this.high = words[0] as number;
    this.low = words[1] as number;
    this.at = comma;
  }

  /** The last field, without its quotes. */
  rest(): string {
    const quoted = this.bytes[this.at] === QUOTE;
    const text = this.bytes.toString("utf8", this.at, this.end).trimEnd();
    return quoted ? text.slice(1, -1).replaceAll('""', '"') : text;
  }

  fault(why: string): VigError {
    const where = `in the line that ends at byte ${this.end}`;
    return new VigError("VIG_GEOIP_INVALID", { file: this.file, why: `${why}, ${where}` });
  }
}
