import type { Claim } from "./log-source.ts";
import type { Report } from "./report.ts";
import type { TreeWalk } from "./tree-walk.ts";

/** Compares a tree with what was said of it, as it grows through the sizes that were spoken of. */
export class ClaimCheck {
  private readonly claims: AsyncIterator<Claim>;
  private readonly report: Report;
  private next: Claim | null = null;

  static async begin(claims: AsyncIterable<Claim>, report: Report): Promise<ClaimCheck> {
    const check = new ClaimCheck(claims, report);
    await check.read();
    return check;
  }

  private constructor(claims: AsyncIterable<Claim>, report: Report) {
    this.claims = claims[Symbol.asyncIterator]();
    this.report = report;
  }

  /** Whether something was said of a tree of this size. */
  isDue(size: number): boolean {
    return this.next !== null && this.next.size <= size;
  }

  async compare(walk: TreeWalk): Promise<void> {
    const { report } = this;
    for (; this.next !== null && this.next.size === walk.size; await this.read()) {
      const { root, where, fault } = this.next;
      if (fault !== null) report.add(fault);
      if (!root.equals(walk.root())) report.tampered(where, "its root is not that of these leaves");
      report.checked.claims += 1;
    }
  }

  /** What is left cannot be compared. Returns: how many these were. */
  async skip(): Promise<number> {
    let skipped = 0;
    for (; this.next !== null; await this.read()) {
      if (this.next.fault !== null) this.report.add(this.next.fault);
      skipped += 1;
    }
    return skipped;
  }

  private async read(): Promise<void> {
    const { done, value } = await this.claims.next();
    this.next = done ? null : value;
  }
}
