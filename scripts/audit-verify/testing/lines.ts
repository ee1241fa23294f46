import assert from "node:assert/strict";

/** Ways to tamper with the lines of an export, each with its newline. */

export type Line = Record<string, unknown>;
export type Lines = readonly string[];

export const lineOf = (value: Line): string => `${JSON.stringify(value)}\n`;
const parsed = (line: string | undefined): Line => JSON.parse(line ?? "") as Line;

/** Where the line of a leaf stands. */
export function placeOf(lines: Lines, index: number): number {
  const found = lines.findIndex((line) => line.startsWith(`{"i":${index},`));
  assert.ok(found > 0, `leaf ${index} has a line`);
  return found;
}

export function change(lines: Lines, place: number, edit: (line: Line) => Line): Lines {
  return lines.with(place, lineOf(edit(parsed(lines.at(place)))));
}

export const changeLeaf = (lines: Lines, index: number, edit: (line: Line) => Line): Lines =>
  change(lines, placeOf(lines, index), edit);

export const header = (lines: Lines, members: Line): Lines =>
  change(lines, 0, (line) => ({ ...line, ...members }));

/** Lets the end say as many leaves as there are. */
export function recount(lines: Lines): Lines {
  const leaves = lines.filter((line) => line.startsWith('{"i":')).length;
  return change(lines, -1, (line) => ({ ...line, leaves }));
}

export const without = (lines: Lines, index: number): Lines =>
  lines.toSpliced(placeOf(lines, index), 1);

/** Moves the indexes of all leaves from `from` on. */
export const renumber = (lines: Lines, from: number, by: number): Lines =>
  lines.map((line) => {
    const value = parsed(line);
    const moves = typeof value.i === "number" && value.i >= from;
    return moves ? lineOf({ ...value, i: (value.i as number) + by }) : line;
  });

/** Puts a line before that of a leaf. */
export const insert = (lines: Lines, index: number, line: string): Lines =>
  lines.toSpliced(placeOf(lines, index), 0, line);

export const lineAt = (lines: Lines, index: number): string =>
  lines[placeOf(lines, index)] as string;

export function swap(lines: Lines, index: number): Lines {
  const place = placeOf(lines, index);
  const [one, other] = [lines[place] as string, lines[place + 1] as string];
  return lines.with(place, other).with(place + 1, one);
}

/** Without what tells where a fault is. */
export const bare = (lines: Lines): Lines =>
  lines.map((line) => {
    const { tile: _, proof: __, ...rest } = parsed(line);
    return lineOf(rest);
  });

/** Another leaf of the same shape. */
export const edited = (line: Line): Line => ({
  ...line,
  leaf: String(line.leaf).replace("revoked", "removed"),
});

/** The base64 of other bytes. */
export function flipped(base64: unknown): string {
  const bytes = Buffer.from(String(base64), "base64");
  bytes[5] = (bytes[5] as number) ^ 1;
  return bytes.toString("base64");
}
