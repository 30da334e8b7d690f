const ENTITIES: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};

/** What a reader of the page sees: its text without tags and styles. */
export const pageText = (html: string): string =>
  html
    .replace(/<style[\s\S]*?<\/style>/, '')
    .replace(/<[^>]*>/g, '')
    .replace(/&[a-z#0-9]+;/g, (entity) => ENTITIES[entity] ?? entity);

const VOID = new Set(['meta', 'br', 'wbr', 'link', 'img', 'hr']);

/** Tags that do not pair up, by name; none for a well-formed page. */
export function unpairedTags(html: string): readonly string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, slash, name = '', selfClosing] of html.matchAll(
    /<(\/?)([a-zA-Z][\w-]*)(?:"[^"]*"|[^">])*?(\/?)>/g,
  )) {
    if (slash === '/') {
      if (open.pop() !== name) wrong.push(`</${name}>`);
    } else if (selfClosing !== '/' && !VOID.has(name)) open.push(name);
  }
  return [...wrong, ...open];
}
