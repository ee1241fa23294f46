/** A statement and its values; nothing that came from outside is ever part of the text. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Collects values and gives each its placeholder. */
export class Values {
  readonly all: unknown[] = [];

  /** `type` is PostgreSQL's, such as uuid. */
  put(value: unknown, type: string): string {
    this.all.push(value);
    return `$${this.all.length}::${type}`;
  }
}

/** As the columns have it: UTC without a zone. */
export const timeText = (ms: number): string => new Date(ms).toISOString();
