import { html, type Markup } from './markup.js';

export interface TableCell {
  readonly content: Markup;
  readonly kind?: 'left' | 'wrap left' | 'best';
}
export interface HtmlTable {
  readonly caption: string;
  readonly columns: readonly { readonly title: Markup; readonly left?: boolean }[];
  /** The first cell of a row is its header. */
  readonly rows: readonly (readonly TableCell[])[];
  readonly full?: boolean;
}

/** A table that scrolls in its own box on a narrow page, its first column staying in view. */
export function tableMarkup({ caption, columns, rows, full }: HtmlTable): Markup {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table class="${full === true ? 'full' : ''}">
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map(({ title, left }) => html`<th scope="col" class="${left === true ? 'left' : ''}">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(rowMarkup)}
      </tbody>
    </table>
  </div> `;
}

const rowMarkup = ([head, ...cells]: readonly TableCell[]): Markup =>
  html`<tr>
    <th scope="row">${head?.content ?? ''}</th>
    ${cells.map(({ content, kind }) => html`<td class="${kind ?? ''}">${content}</td>`)}
  </tr> `;

export const cell = (content: string | number | Markup, kind?: TableCell['kind']): TableCell => ({
  content: html`${content}`,
  ...(kind === undefined ? {} : { kind }),
});
