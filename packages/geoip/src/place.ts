import { type Reader, Writer } from "@vigie/core/bytes";
import { type GridCell, gridCellOf, type Point } from "@vigie/core/geo";

/**
 * A position as it is kept: no finer than a hundredth of a degree, with the radius within which the truth lies.
 * Its bytes are made once: the same places come again and again, and are compared and stored by their bytes.
 */
export class Place {
  readonly cell: GridCell;
  /** In steps of 100 m, so that it is the same after it was stored. */
  readonly radiusKm: number;
  /** ISO 3166-1 alpha-2, or "". */
  readonly country: string;
  readonly city: string;
  /** Of the GeoIP data that it was looked up in; GIVEN: it was not. */
  readonly generation: number;
  private encoded: Buffer | null = null;

  constructor(cell: GridCell, radiusKm: number, country: string, city: string, generation: number) {
    this.cell = cell;
    this.radiusKm = radiusKm;
    this.country = country;
    this.city = city;
    this.generation = generation;
  }

  /** A producer gave the position; it was not looked up by the address. */
  get isGiven(): boolean {
    return this.generation === GIVEN;
  }

  get bytes(): Buffer {
    this.encoded ??= this.encode();
    return this.encoded;
  }

  /** 4 bytes of cell, 2 of generation, the radius in steps, country, city. */
  private encode(): Buffer {
    scratch.u32(this.cell);
    scratch.room(2);
    scratch.u16(this.generation);
    scratch.varint(Math.round(this.radiusKm * RADIUS_STEPS_PER_KM));
    scratch.text(this.country);
    scratch.text(this.city);
    return scratch.finish();
  }

  static read(reader: Reader): Place {
    const cell = reader.u32();
    const generation = reader.u16();
    const radiusKm = reader.varint() / RADIUS_STEPS_PER_KM;
    const country = reader.text();
    return new Place(cell, radiusKm, country, reader.text(), generation);
  }

  static skip(reader: Reader): void {
    reader.skip(6);
    reader.varint();
    reader.skip(reader.varint());
    reader.skip(reader.varint());
  }

  /** Whether the reader stands before this very place; it is past it then, and where it was if not. */
  passes(reader: Reader): boolean {
    const { bytes } = this;
    const { length } = bytes;
    for (let i = 0; i < length; i++) if (reader.bytes[reader.at + i] !== bytes[i]) return false;
    reader.skip(length);
    return true;
  }
}

const scratch = new Writer(256);

/** The generation of what no GeoIP data tells; those of data are 1..65535. */
export const GIVEN = 0;

/** Whether both were looked up, but in different data: what moved between them may be the data. */
export const isOtherData = (a: number, b: number): boolean => a !== b && a !== GIVEN && b !== GIVEN;

export const RADIUS_STEPS_PER_KM = 10;
/** Nothing on Earth is further away. */
const RADIUS_MAX_KM = 20_015;
/** The longest city names of the databases have some 60 characters. */
const CITY_CHARACTERS_MAX = 64;

export function placeAt(
  point: Point,
  radiusKm: number,
  country: string | null | undefined,
  city: string | null | undefined,
  generation = GIVEN,
): Place {
  const steps = Math.round(Math.min(radiusKm, RADIUS_MAX_KM) * RADIUS_STEPS_PER_KM);
  return new Place(
    gridCellOf(point),
    steps / RADIUS_STEPS_PER_KM,
    country && /^[A-Z]{2}$/.test(country) ? country : "",
    city ? city.slice(0, CITY_CHARACTERS_MAX).toWellFormed() : "",
    generation,
  );
}

export const samePlace = (a: Place, b: Place): boolean => a === b || a.bytes.equals(b.bytes);
