import type { Summary } from '../schema/index.js';
import { countNoun, heading, left, paragraph, right, text, type Block } from './document.js';

type Tuning = NonNullable<Summary['tuning']>;

/** Whether the settings of the hosts held; nothing for a study without tuning. */
export const tuningBlocks = ({ tuning }: Summary): readonly Block[] =>
  tuning === undefined ? [] : settingBlocks(tuning);

function settingBlocks({ profile, hosts }: Tuning): readonly Block[] {
  const settings = hosts.flatMap((host) => host.settings.map((setting) => ({ ...host, ...setting })));
  const lost = settings.filter(({ holds }) => !holds);
  const ofMachine = [...new Set(hosts.flatMap((host) => host.ofMachine))];
  const title = heading('Tuning of the hosts');
  if (settings.length === 0 && ofMachine.length === 0) return [];
  return [
    title,
    paragraph(
      `Profile ${profile}: ${lost.length === 0 ? `all ${countNoun(settings.length, 'setting')} held until the end of the load.` : `${lost.length} of ${countNoun(settings.length, 'setting')} did not hold:`}` +
        (ofMachine.length === 0
          ? ''
          : ` Not set, as they belong to the machine and not to its namespaces (--tune-machine sets them): ${ofMachine.join(', ')}.`),
    ),
    ...(lost.length === 0
      ? []
      : [
          {
            kind: 'table',
            caption: 'Settings that did not hold',
            columns: [
              left('setting'),
              left('network'),
              left('host'),
              right('wanted'),
              right('before'),
              right('after the load'),
              left('changed by'),
            ],
            rows: lost.map(({ what, network, role, wanted, before, found, changers }) => [
              text(what),
              text(network),
              text(role),
              text(wanted),
              text(before ?? 'unknown'),
              text(found ?? 'gone', 'bad'),
              text(changers.length === 0 ? 'unknown' : `${changers.join(' or ')}, which runs`),
            ]),
          } as const,
        ]),
  ];
}
