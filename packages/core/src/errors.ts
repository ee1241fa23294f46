import { catalogue, type VigCode } from "./catalogue.ts";

export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

/** The text of `code` with its `{placeholders}` filled; an unknown placeholder stays as it is. */
export function describeCode(code: VigCode, details: ErrorDetails = {}): string {
  return catalogue[code].text.replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in details ? String(details[name]) : whole,
  );
}

/** The only error class: what is wrong, where, and a stable code. Text and status come from the catalogue. */
export class VigError extends Error {
  readonly code: VigCode;
  readonly details: ErrorDetails;

  constructor(code: VigCode, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(`${code}: ${describeCode(code, details)}`, options);
    this.name = "VigError";
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return catalogue[this.code].status;
  }

  get retry(): boolean {
    return catalogue[this.code].retry;
  }
}

/** The message of anything thrown, for texts and logs. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
