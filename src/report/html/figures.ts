import type { Estimate, Verdict } from '../../schema/index.js';
import type { Gaps } from '../gaps.js';
import { figureText, interval, intervalText, letter, NO_FIGURE, three } from '../number.js';
import { neededText } from '../needed.js';
import { VERDICT_SIGN } from '../wording.js';
import { html, NOTHING, type Markup } from './markup.js';

/** Where the notes of one table are: dashes link to `#PREFIX-1`. */
export interface Notes {
  readonly prefix: string;
  readonly gaps: Gaps;
}

/** A figure with its interval beneath, or a dash that points at the note with its reason. */
export function figureMarkup(
  figure: Estimate | undefined,
  key: string,
  network: string,
  notes: Notes,
): Markup {
  const note = notes.gaps.note(figure, key, network);
  if (note > 0) return html`${NO_FIGURE}${noteLink(note, notes.prefix)}`;
  return html`${figureText(figure)}${intervalMarkup(figure)}`;
}

/** May break after the dash: a phone shows twice as many columns that way. */
function intervalMarkup(figure: Estimate | undefined): Markup {
  const ends = interval(figure);
  if (ends !== null) return html`<small>${three(ends.low)}–<wbr />${three(ends.high)}</small>`;
  const text = intervalText(figure);
  return text === '' ? NOTHING : html`<small>${text}</small>`;
}

const noteLink = (note: number, prefix: string): Markup =>
  html`<sup><a href="#${prefix}-${note}" aria-label="why: note ${letter(note)}">${letter(note)}</a></sup>`;

export function notesMarkup(notes: Notes): Markup {
  const items = notes.gaps.texts.map(
    (text, index) => html`<li id="${notes.prefix}-${index + 1}">${text}</li>`,
  );
  return items.length === 0
    ? NOTHING
    : html`<ol type="a" class="notes" aria-label="Why figures are missing">
        ${items}
      </ol>`;
}

/** @param restarts how many the study has: of too few no number of further ones is told */
export function verdictMarkup(verdict: Verdict | undefined, restarts: number): Markup {
  if (verdict === undefined) return NOTHING;
  const needed = neededText(verdict, restarts);
  const word = verdict.verdict;
  return html`<span class="sign ${word}">${VERDICT_SIGN[word]} ${word}</span
    >${needed === '' ? NOTHING : html`<small>${needed}</small>`}`;
}
