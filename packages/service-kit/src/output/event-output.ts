/** An event as its record will be. */
export interface OutgoingEvent {
  /** Catalogue name, as in id.login. */
  readonly topic: string;
  /** tenant|user; decides the partition. */
  readonly key: string;
  readonly value: Buffer;
}

/** Where the broker put it. */
export interface Receipt {
  /** Name in the broker, with the prefix of this installation. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The broker's clock when it appended the record; -1 when it does not say. */
  readonly appendedAtMs: number;
}

/** The port by which events leave a service. */
export interface EventOutput {
  /**
   * Resolves once the broker has acknowledged the event on all in-sync replicas; until then nothing is promised.
   * Rejects: VIG_BUFFER_FULL when too much waits, VIG_BROKER_AWAY when the broker does not answer in time.
   */
  publish(event: OutgoingEvent): Promise<Receipt>;
  /** Waits for what is in flight. Nothing is published after. */
  close(): Promise<void>;
}
