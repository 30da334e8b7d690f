/** A spec as a user writes it. Missing keys take their defaults. */
export type SpecInput = Readonly<Record<string, unknown>>;

/**
 * `quick` takes three minutes on two cores. `machinezone-2015` has the rates, sizes and networks of the
 * article (December 2015); its slices are long enough that the pooled samples of a restart support the
 * 99.999th percentile at 50,000 requests/s.
 */
export const PRESETS: Readonly<Record<string, SpecInput>> = {
  quick: {
    name: 'quick',
    networks: ['host', 'ipvlan', 'macvlan', 'flannel-host-gw', 'flannel-vxlan'],
    workloads: ['350B'],
    rates: ['10%', '30%', '50%'],
    restarts: 3,
    duration: '2500ms',
  },
  'machinezone-2015': {
    name: 'machinezone-2015',
    networks: ['host', 'ipvlan', 'flannel-aws-vpc', 'flannel-host-gw', 'flannel-vxlan'],
    workloads: ['350B', '4KB'],
    rates: {
      '350B': [50_000, 150_000, 250_000, 350_000, 450_000, 500_000],
      '4KB': [50_000, 150_000, 250_000],
    },
    restarts: 3,
    maximum: true,
    duration: '10s',
    connections: 512,
  },
};
