import { COLOURS } from './plot/style.js';

const colours = (mode: 0 | 1): string => COLOURS.map((pair, index) => `--n${index}:${pair[mode]};`).join('');

const LIGHT =
  '--page:#fff;--ink:#1b1f24;--muted:#59636e;--line:#d9dee4;--card:#f6f8fa;--link:#0a58b8;' +
  '--worse:#a8230f;--better:#0b6b3a;--even:#0b5c8a;--bar:#c25e00;' +
  '--warn:#fff6dd;--warn-line:#d9a400;--cpu-0:#0b4f8a;--cpu-1:#5b9bd5;--cpu-2:#bdd7f0;';
const DARK =
  '--page:#0f1419;--ink:#e6edf3;--muted:#9aa7b4;--line:#2b343d;--card:#171d24;--link:#6cb6ff;' +
  '--worse:#ff9a8a;--better:#6fdc9f;--even:#7cc4f5;--bar:#f0a050;' +
  '--warn:#2e2611;--warn-line:#c79a1e;--cpu-0:#8cc4f5;--cpu-1:#4a92cf;--cpu-2:#27608f;';

/** The page's style. Nothing is fetched; colours have a value for light and one for dark mode. */
export const CSS = `
:root{color-scheme:light dark;${LIGHT}${colours(0)}}
@media screen and (prefers-color-scheme:dark){:root{${DARK}${colours(1)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}
main{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.3rem;line-height:1.3;margin:3rem 0 .25rem;padding-top:1rem;border-top:1px solid var(--line);overflow-wrap:anywhere}
h3{font-size:1rem;margin:1.75rem 0 .25rem}
p{margin:.4rem 0;max-width:54rem;overflow-wrap:anywhere}
a{color:var(--link)}
ul,ol{margin:.4rem 0;padding-left:1.4rem;max-width:54rem}
li{overflow-wrap:anywhere;margin:.15rem 0}
.signs{list-style:none;padding:0;margin:.75rem 0}.signs li{display:flex;gap:.6rem;align-items:baseline}.signs .sign{font-size:1rem;min-width:1.1rem;text-align:center}
.quiet{color:var(--muted);font-size:.875rem}
.lead{font-size:1.05rem}
.warnings{margin:1rem 0;padding:.6rem 1rem;background:var(--warn);border-left:4px solid var(--warn-line);border-radius:4px}
.warnings p{margin:.3rem 0}
.facts{display:flex;flex-wrap:wrap;gap:.25rem 1.75rem;margin:.75rem 0 0;padding:0}
.facts div{min-width:0}
.facts dt{color:var(--muted);font-size:.8rem}
.facts dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:.75rem 0;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;line-height:1.35}
.full{width:100%}
caption{text-align:left;color:var(--muted);font-size:.8rem;padding:0 0 .4rem;caption-side:top}
th,td{padding:.4rem .55rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--line);white-space:nowrap}
thead th{white-space:normal;min-width:3.4rem;color:var(--muted);font-weight:600;font-size:.8rem;vertical-align:bottom}
th:first-child,td:first-child,.left{text-align:left}
tbody th{font-weight:600;position:sticky;left:0;background:var(--page);z-index:1}
.wrap{white-space:normal;min-width:12rem;overflow-wrap:anywhere}
small{display:block;color:var(--muted);font-size:.75rem}
.best{font-weight:700}.best small{font-weight:400}
.meter{display:block;height:3px;margin-top:3px;background:var(--line);border-radius:2px;min-width:2.6rem}
.meter i{display:block;height:3px;background:var(--bar);border-radius:2px}
.sign{display:block;white-space:nowrap;font-weight:600}
.better{color:var(--better)}.worse{color:var(--worse)}.equivalent{color:var(--even)}.undecided{color:var(--muted)}
figure{margin:1rem 0;min-width:0}
figcaption{font-weight:600;font-size:.95rem;margin-bottom:.25rem}
figcaption span{display:block;font-weight:400;color:var(--muted);font-size:.8rem}
svg{display:block;width:100%;height:auto;font-family:inherit}
svg text{font-size:12px}.axis path{stroke:var(--line);fill:none}.axis text{fill:var(--muted)}.halo{paint-order:stroke;stroke:var(--page);stroke-width:3px}
.good{color:var(--better)}.bad{color:var(--worse)}.dim{color:var(--muted)}.right{text-align:right}
.plot-wide{display:none}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.3rem 0;font-size:.8rem;max-width:none}
.legend li{display:flex;align-items:center;gap:.4rem}
.legend svg{width:34px;flex:none}
.swatch{width:.9rem;height:.7rem;border-radius:2px;flex:none}
.notes{color:var(--muted);font-size:.85rem;padding-left:1.2rem}
.notes li:target{color:var(--ink);background:var(--warn)}
sup{line-height:0}sup a{text-decoration:none;padding:0 .1rem}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--link);font-size:.9rem}
@media (max-width:47.99rem){
th,td{padding:.35rem .3rem}
th:first-child{white-space:normal;min-width:0;max-width:4.9rem}
table{font-size:.8rem}thead th{min-width:0}small,.sign{font-size:.68rem}small{white-space:normal}
}
.plot-narrow{max-width:30rem}.half-plot{max-width:34rem}
@media (min-width:60rem){
.plot-wide{display:block}.plot-narrow{display:none}
}
@media print{:root{color-scheme:light}details::details-content{content-visibility:visible}.scroll{overflow:visible}h2,figure{break-inside:avoid}.plot-wide{display:block}.plot-narrow{display:none}}
`;
