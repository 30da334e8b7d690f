/** Types of messages (linux/rtnetlink.h). */
export const RTM = {
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  delNeighbour: 29,
  getNeighbour: 30,
} as const;

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_BRIDGE = 7;

/** linux/if_link.h */
export const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  alias: 20,
  afSpec: 26,
  group: 27,
  netnsFd: 28,
} as const;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
export const IFF_UP = 1;
export const VXLAN = { id: 1, link: 3, local: 4, learning: 7, port: 15, local6: 17 } as const;
export const IPVLAN_MODE = 1;
export const IPVLAN_MODES = ['l2', 'l3', 'l3s'] as const;
export const IPTUN = { link: 1, local: 2, pmtudisc: 10 } as const;

/** linux/if_addr.h */
export const IFA = { address: 1, local: 2, flags: 8 } as const;
/** linux/rtnetlink.h */
export const RTA = { destination: 1, outLink: 4, gateway: 5, table: 15 } as const;
export const RT_TABLE_MAIN = 254;
export const RTN_UNICAST = 1;
export const RTNH_F_ONLINK = 4;
/** linux/neighbour.h */
export const NDA = { destination: 1, mac: 2 } as const;
export const NUD_PERMANENT = 0x80;

/** The index of a link by its name in the socket's namespace; 0 when there is none. */
export type IndexOf = (name: string) => number;
