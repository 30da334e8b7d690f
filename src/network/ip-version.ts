export type IpVersion = 4 | 6;

export const versionOf = (address: string): IpVersion => (address.includes(':') ? 6 : 4);

/** The prefix length of a single address. */
export const singleOf = (version: IpVersion): number => (version === 6 ? 128 : 32);

/** All addresses; iproute2's `default` means IPv4's. */
export const defaultRoute = (version: IpVersion): string => (version === 6 ? '::/0' : 'default');

/** The minimum MTU of a link for a version of IP: below it the kernel disables IPv6 (RFC 8200, 5). */
export const LEAST_MTU: Readonly<Record<IpVersion, number>> = { 4: 576, 6: 1280 };
