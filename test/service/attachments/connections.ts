/** A connection, and what its server saw: the client's address, or why it failed. */
export interface Connection {
  /** The client's namespace. */
  readonly from: string;
  /** `ADDRESS` or `ADDRESS:PORT`; the servers' port is 80. */
  readonly to: string;
  /** The client's address; by default the kernel chooses. */
  readonly source?: string;
  /** A datagram and its answer instead of TCP. */
  readonly udp?: boolean;
}

export interface ConnectionRequest {
  /** Namespaces. */
  readonly servers: readonly string[];
  readonly connections: Readonly<Record<string, Connection>>;
  readonly timeoutMs: number;
}
