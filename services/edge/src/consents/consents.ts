import { LENGTH_DEFAULT, type Precisions } from "./precisions.ts";

/** How finely the places of people may go on, in characters of a geohash. Shape of `key`: tenant|user. */
export interface Consents {
  /** 0: not known yet, so not at all. */
  lengthOf(key: string): number;
}

/** Nobody has said anything. */
export const noConsents: Consents = { lengthOf: () => LENGTH_DEFAULT };

/** What was last read whole; nothing before that. */
export class ConsentBook implements Consents {
  #read: Precisions | null = null;

  get isRead(): boolean {
    return this.#read !== null;
  }

  lengthOf(key: string): number {
    return this.#read === null ? 0 : this.#read.of(key);
  }

  replace(read: Precisions): void {
    this.#read = read;
  }
}
