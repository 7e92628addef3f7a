// Markdown to DOM nodes, for text that nobody vouches for.
//
//   render(text, options)            the whole of it
//   textOf(text)                     its words alone
//   new StreamingMarkdown(element)   text that grows: finished blocks stay, the last one is drawn anew
//
// Headings, paragraphs, lists, quotes, code, tables, emphasis, links, and the marks [1] of citations. There is no HTML,
// there are no images: an image becomes a link that somebody may follow. Whatever is not understood is shown as text.
//
// Options: `marks` (citation marks become spans), `streaming` (the end may be missing; what is open there counts as
// closed), `level` (added to the level of headings, since the page has its own).

import { h, icon } from './dom.js';
import { t } from './strings.js';

const MAX_DEPTH = 10;
const MAX_DESTINATION = 2000;

export function render(source, options = {}) {
  return renderBlocks(parseBlocks(toLines(source), 0), options);
}

/** The words alone, in one line. */
export function textOf(source) {
  const drawn = render(source);
  for (const caption of drawn.querySelectorAll('figcaption')) caption.remove();
  for (const cell of drawn.querySelectorAll('td, th, li, p, br')) cell.append(' ');
  return drawn.textContent.replace(/\s+/g, ' ').trim();
}

export class StreamingMarkdown {
  #container;
  #options;
  #done = 0; // characters of the text that stand in finished blocks
  #open = []; // nodes of the blocks after that
  #last = null; // the last block

  constructor(container, options = {}) {
    this.#container = container;
    this.#options = options;
  }

  /** Show `text`, which begins with what was shown before. */
  update(text, streaming) {
    const lines = toLines(text.slice(this.#done));
    const blocks = parseBlocks(lines, 0);
    const last = blocks.at(-1);
    if (last === undefined || this.#continuesCode(blocks)) return;
    for (const node of this.#open) node.remove();
    const finished = blocks.splice(0, countFinished(blocks, lines));
    if (finished.length) this.#done += lengthOf(lines, blocks[0].first);
    this.#container.append(renderBlocks(finished, this.#options));
    const open = renderBlocks(blocks, { ...this.#options, streaming });
    this.#open = [...open.children];
    this.#last = last;
    this.#container.append(open);
  }

  /** Code that only grew keeps its element, and so its scroll position and focus. */
  #continuesCode(blocks) {
    const [block] = blocks;
    const same = blocks.length === 1 && this.#open.length === 1 && this.#last.type === 'code' && block.type === 'code';
    if (!same || block.language !== this.#last.language) return false;
    this.#open[0].querySelector('code').textContent = block.text;
    return true;
  }
}

/** Blocks that stay what they are, whatever comes: the line that ended them is whole. */
function countFinished(blocks, lines) {
  const next = blocks.findLastIndex((block) => block.first < lines.length - 1);
  return Math.max(0, next);
}

function lengthOf(lines, count) {
  let length = 0;
  for (let i = 0; i < count; i += 1) length += lines[i].length + 1;
  return length;
}

// Line ends keep their length, so that positions in the text stay what they are.
function toLines(source) {
  return (source.includes('\r') ? source.replace(/\r\n/g, ' \n').replace(/\r/g, '\n') : source).split('\n');
}

// --- blocks: lines → what they are -----------------------------------------------------------------------------------

const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)(.*)|[ \t]*)$/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

const isBlank = (line) => line.trim() === '';
const indentOf = (line) => line.length - line.trimStart().length;

/** Each block says its type and the number of its first line; `next` is the line after it. */
function parseBlocks(rawLines, depth) {
  const lines = rawLines.map(expandTabs);
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const block =
      readFence(lines, at) ??
      readIndentedCode(lines, at) ??
      readHeading(lines, at) ??
      readRule(lines, at) ??
      (depth < MAX_DEPTH ? (readQuote(lines, at, depth) ?? readList(lines, at, depth)) : null) ??
      readTable(lines, at) ??
      readParagraph(lines, at);
    blocks.push({ first: at, ...block });
    at = block.next;
  }
  return blocks;
}

function expandTabs(line) {
  return line.includes('\t') ? line.replace(/^[ \t]+/, (space) => space.replace(/\t/g, '    ')) : line;
}

function readFence(lines, at) {
  const opening = FENCE.exec(lines[at]);
  if (!opening) return null;
  const [, indent, fence, info] = opening;
  const closing = new RegExp(`^ {0,3}\\${fence[0]}{${fence.length},}[ \\t]*$`);
  const text = [];
  let next = at + 1;
  while (next < lines.length && !closing.test(lines[next])) {
    text.push(lines[next].slice(Math.min(indent.length, indentOf(lines[next]))));
    next += 1;
  }
  return { type: 'code', language: info.trim().split(/\s/)[0], text: text.join('\n'), next: next + 1 };
}

function readIndentedCode(lines, at) {
  if (!lines[at].startsWith('    ')) return null;
  let next = at;
  let end = at;
  while (next < lines.length && (isBlank(lines[next]) || lines[next].startsWith('    '))) {
    if (!isBlank(lines[next])) end = next;
    next += 1;
  }
  const text = lines.slice(at, end + 1).map((line) => line.slice(4));
  return { type: 'code', language: '', text: text.join('\n'), next: end + 1 };
}

function readHeading(lines, at) {
  const match = HEADING.exec(lines[at]);
  return match && { type: 'heading', level: match[1].length, text: withoutClosing(match[2] ?? ''), next: at + 1 };
}

/** `Title ##` → `Title` */
function withoutClosing(text) {
  const title = text.trim();
  let end = title.length;
  while (title[end - 1] === '#') end -= 1;
  return end === 0 || /[ \t]/.test(title[end - 1]) ? title.slice(0, end).trimEnd() : title;
}

function readRule(lines, at) {
  return RULE.test(lines[at]) ? { type: 'rule', next: at + 1 } : null;
}

function readQuote(lines, at, depth) {
  if (!QUOTE.test(lines[at])) return null;
  const inner = [];
  let next = at;
  while (next < lines.length) {
    if (QUOTE.test(lines[next])) inner.push(lines[next].replace(QUOTE, ''));
    else if (isBlank(lines[next]) || isBlank(inner.at(-1)) || interrupts(lines, next)) break;
    else inner.push(lines[next]);
    next += 1;
  }
  return { type: 'quote', blocks: parseBlocks(inner, depth + 1), next };
}

function readList(lines, at, depth) {
  if (!ITEM.test(lines[at])) return null;
  const kind = markerKind(lines[at]);
  const items = [];
  let next = at;
  let loose = false;
  while (next < lines.length && ITEM.test(lines[next]) && !RULE.test(lines[next]) && markerKind(lines[next]) === kind) {
    const item = readItem(lines, next, depth);
    items.push(item);
    next = item.next;
    let after = next;
    while (after < lines.length && isBlank(lines[after])) after += 1;
    const goesOn = after < lines.length && ITEM.test(lines[after]) && markerKind(lines[after]) === kind;
    loose ||= item.loose || (goesOn && after > next);
    if (!goesOn) break;
    next = after;
  }
  const ordered = kind === '.' || kind === ')';
  return { type: 'list', ordered, start: ordered ? parseInt(lines[at].trimStart(), 10) : 1, items, loose, next };
}

function markerKind(line) {
  const marker = ITEM.exec(line)[2];
  return marker.length === 1 ? marker : marker.at(-1);
}

function readItem(lines, at, depth) {
  const [, indent, marker, space, rest] = ITEM.exec(lines[at]);
  const gap = space === undefined || space.length > 4 ? 1 : space.length;
  const width = indent.length + marker.length + gap;
  // Nested lists are often indented by two, whatever the width of the marker.
  const least = Math.min(width, indent.length + 2);
  const inner = [(space ?? '').slice(gap) + (rest ?? '')];
  let next = at + 1;
  let end = next;
  while (next < lines.length) {
    const line = lines[next];
    const inside = indentOf(line) >= width || (indentOf(line) >= least && ITEM.test(line.slice(least)));
    if (isBlank(line)) inner.push('');
    else if (inside) inner.push(line.slice(Math.min(width, indentOf(line))));
    else if (isBlank(inner.at(-1)) || interrupts(lines, next) || ITEM.test(line)) break;
    else inner.push(line.trimStart());
    next += 1;
    if (!isBlank(line)) end = next;
  }
  const content = inner.slice(0, end - at);
  const task = /^\[([ xX])\][ \t]+(?=\S)/.exec(content[0]);
  if (task) content[0] = content[0].slice(task[0].length);
  const blocks = parseBlocks(content, depth + 1);
  const loose = blocks.some((block, i) => i > 0 && block.type === 'paragraph' && isBlank(content[block.first - 1]));
  return { blocks, task: task && task[1] !== ' ', isTask: Boolean(task), loose, next: end };
}

function readTable(lines, at) {
  if (!startsTable(lines, at)) return null;
  const align = cells(lines[at + 1]).map((cell) => `${cell.startsWith(':') ? 'l' : ''}${cell.endsWith(':') ? 'r' : ''}`);
  const rows = [];
  let next = at + 2;
  while (next < lines.length && !isBlank(lines[next]) && !interrupts(lines, next)) {
    rows.push(cells(lines[next]).slice(0, align.length));
    next += 1;
  }
  return { type: 'table', head: cells(lines[at]), align, rows, next };
}

function startsTable(lines, at) {
  if (at + 1 >= lines.length || !lines[at].includes('|')) return false;
  return DELIMITERS.test(lines[at + 1]) && cells(lines[at]).length === cells(lines[at + 1]).length;
}

function cells(line) {
  const row = line.trim().replace(/^\|/, '').replace(/(?<!\\)\|$/, '');
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, '|'));
}

function readParagraph(lines, at) {
  let next = at + 1;
  while (next < lines.length && !isBlank(lines[next])) {
    const underline = UNDERLINE.exec(lines[next]);
    if (underline && (next + 1 < lines.length || underline[1].length > 2)) {
      const level = underline[1][0] === '=' ? 1 : 2;
      return { type: 'heading', level, text: joinLines(lines.slice(at, next)), next: next + 1 };
    }
    if (interrupts(lines, next) || startsTable(lines, next)) break;
    next += 1;
  }
  return { type: 'paragraph', text: joinLines(lines.slice(at, next)), next };
}

const joinLines = (lines) => lines.map((line) => line.trimStart()).join('\n').trimEnd();

/** Whether the line begins something that needs no blank line before it. */
function interrupts(lines, at) {
  const line = lines[at];
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)) return true;
  const item = ITEM.exec(line);
  return Boolean(item && item[4] && (item[2].length === 1 || /^1[.)]$/.test(item[2])));
}

// --- blocks → nodes --------------------------------------------------------------------------------------------------

function renderBlocks(blocks, options) {
  const fragment = document.createDocumentFragment();
  blocks.forEach((block, i) => {
    const last = i === blocks.length - 1;
    fragment.append(renderBlock(block, last ? options : { ...options, streaming: false }));
  });
  return fragment;
}

function renderBlock(block, options) {
  switch (block.type) {
    case 'heading':
      return h(`h${Math.min(6, block.level + (options.level ?? 0))}`, {}, renderInline(block.text, options));
    case 'rule':
      return h('hr');
    case 'code':
      return renderCode(block);
    case 'quote':
      return h('blockquote', {}, renderBlocks(block.blocks, options));
    case 'list':
      return renderList(block, options);
    case 'table':
      return renderTable(block, options);
    default:
      return renderParagraph(block, options);
  }
}

function renderParagraph(block, options) {
  // A table whose second line has not come yet would be drawn as pipes for a moment.
  if (options.streaming && /^\|[^\n]*(?:\n[ \t|:-]*)?$/.test(block.text)) {
    return renderTable({ head: cells(block.text.split('\n')[0]), align: [], rows: [] }, options);
  }
  return h('p', {}, renderInline(block.text, options));
}

function renderCode({ language, text }) {
  const code = h('code', {}, text);
  const copy = async (event) => {
    const button = event.currentTarget;
    await navigator.clipboard.writeText(code.textContent);
    button.lastChild.textContent = t('copied');
    setTimeout(() => { button.lastChild.textContent = t('copy'); }, 2000);
  };
  const canCopy = Boolean(navigator.clipboard);
  return h('figure', { class: 'code', dir: 'ltr' },
    h('figcaption', {}, h('span', {}, language || t('code')),
      canCopy && h('button', { type: 'button', class: 'quiet small', onclick: copy }, icon('copy'), h('span', {}, t('copy')))),
    h('pre', { tabindex: '0' }, code));
}

function renderList({ ordered, start, items, loose }, options) {
  const list = h(ordered ? 'ol' : 'ul', { start: ordered && start !== 1 ? String(start) : null });
  items.forEach((item, i) => {
    const within = i === items.length - 1 ? options : { ...options, streaming: false };
    const entry = h('li', { class: item.isTask ? 'task' : null });
    if (item.isTask) entry.append(h('span', { class: 'box', role: 'img', 'aria-label': t(item.task ? 'taskDone' : 'taskOpen') }, item.task ? '☑' : '☐'), ' ');
    item.blocks.forEach((block, n) => {
      const inside = n === item.blocks.length - 1 ? within : { ...within, streaming: false };
      entry.append(!loose && block.type === 'paragraph' ? renderInline(block.text, inside) : renderBlock(block, inside));
    });
    list.append(entry);
  });
  return list;
}

function renderTable({ head, align, rows }, options) {
  const side = (i) => ({ l: 'start', r: 'end', lr: 'center' })[align[i]];
  const cell = (tag, text, i) =>
    h(tag, { class: side(i) ? `to-${side(i)}` : null, scope: tag === 'th' ? 'col' : null }, renderInline(text, options));
  const line = (row) => h('tr', {}, ...head.map((_, i) => cell('td', row[i] ?? '', i)));
  return h('div', { class: 'table', tabindex: '0', role: 'group', 'aria-label': t('table') },
    h('table', {}, h('thead', {}, h('tr', {}, ...head.map((text, i) => cell('th', text, i)))), h('tbody', {}, ...rows.map(line))));
}

// --- inside of a block -----------------------------------------------------------------------------------------------

const MARK = /\[(\d{1,3}(?:[ \t]*,[ \t]*\d{1,3})*)\](?!\()/y;
const URL_TEXT = /https?:\/\/[^\s<>\uE000\uE001]{1,2000}/iy;
const WORDS = /(?:[^\\`*_~![\]<&\nhH]|[hH](?!ttps?:\/\/))+/iy;
const ANGLE_LINK = /<(https?:\/\/[^\s<>]+|mailto:[^\s<>]+)>/iy;
const LINE_BREAK = /<br[ \t]*\/?>/iy;
const ENTITY = /&(?:#(\d{1,7})|#[xX]([\dA-Fa-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));/y;
const NAMED = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00A0' };
const PUNCTUATION = /[\p{P}\p{S}]/u;
const UNFINISHED = /(?:[*_~`]{1,9}|!?\[\d{0,3}(?:[ \t]*,[ \t]*\d{0,3}){0,9}|!)$/;
const MAX_RUNS = 2000; // of * _ ~ in one block; elements are nested at most half as deep

function renderInline(source, options) {
  return new InlineReader(options.streaming ? withoutUnfinished(source) : source, options).read();
}

/** Without the half of a sign at the end of a text that grows. */
const withoutUnfinished = (source) => source.slice(0, -64) + source.slice(-64).replace(UNFINISHED, '');

/** Runs of * _ ~ and brackets are put down as text first and become elements when their partner is found. */
class InlineReader {
  #source;
  #options;
  #root = document.createDocumentFragment();
  #at = 0;
  #plain = '';
  #runs = [];
  #brackets = [];
  #noCode = new Set(); // lengths of backtick runs that have no partner further on

  constructor(source, options) {
    this.#source = source;
    this.#options = options;
  }

  read() {
    while (this.#at < this.#source.length) this.#step();
    this.#flush();
    this.#pairRuns(0, true);
    this.#root.normalize();
    return this.#root;
  }

  #step() {
    const letter = this.#source[this.#at];
    switch (letter) {
      case '\\': return this.#escape();
      case '`': return this.#code();
      case '*': case '_': case '~': return this.#run(letter);
      case '!': return this.#source[this.#at + 1] === '[' ? this.#open('![') : this.#text(letter);
      case '[': return this.#mark() || this.#open('[');
      case ']': return this.#close();
      case '<': return this.#lineBreak() || this.#angleLink() || this.#text(letter);
      case '&': return this.#entity() || this.#text(letter);
      case '\n': return this.#newline();
      case 'h': case 'H': return this.#bareLink() || this.#words();
      default: return this.#words();
    }
  }

  #match(pattern) {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source);
  }

  #text(text) {
    this.#plain += text;
    this.#at += text.length;
  }

  #words() {
    const rest = this.#match(WORDS);
    this.#text(rest ? rest[0] : this.#source[this.#at]);
  }

  #flush() {
    if (this.#plain) this.#root.append(this.#plain);
    this.#plain = '';
  }

  #put(node, length) {
    this.#flush();
    this.#root.append(node);
    this.#at += length;
    return true;
  }

  #escape() {
    const next = this.#source[this.#at + 1];
    if (next === '\n') {
      this.#put(h('br'), 2);
    } else if (next !== undefined && /[!-/:-@[-`{-~]/.test(next)) {
      this.#plain += next;
      this.#at += 2;
    } else {
      this.#text('\\');
    }
  }

  #newline() {
    if (this.#plain.endsWith('  ')) {
      this.#plain = this.#plain.trimEnd();
      this.#put(h('br'), 1);
    } else {
      this.#text('\n');
    }
  }

  #lineBreak() {
    const match = this.#match(LINE_BREAK);
    return match && this.#put(h('br'), match[0].length);
  }

  #entity() {
    const match = this.#match(ENTITY);
    if (!match) return false;
    const [whole, decimal, hex, name] = match;
    const point = decimal ? Number(decimal) : parseInt(hex, 16);
    const valid = point > 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    this.#plain += name ? NAMED[name] : valid ? String.fromCodePoint(point) : '\uFFFD';
    this.#at += whole.length;
    return true;
  }

  #code() {
    const ticks = this.#match(/`+/y)[0];
    const start = this.#at + ticks.length;
    let end = this.#noCode.has(ticks.length) ? -1 : this.#closingTicks(ticks.length, start);
    if (end < 0 && this.#options.streaming && ticks.length < 3) end = this.#source.length;
    if (end < 0) {
      this.#noCode.add(ticks.length);
      return this.#text(ticks);
    }
    let text = this.#source.slice(start, end).replace(/\n/g, ' ');
    if (/^ .* $/.test(text) && text.trim()) text = text.slice(1, -1);
    return this.#put(h('code', { dir: 'ltr' }, text), end + ticks.length - this.#at);
  }

  #closingTicks(length, start) {
    const runs = /`+/g;
    runs.lastIndex = start;
    for (let run = runs.exec(this.#source); run; run = runs.exec(this.#source)) {
      if (run[0].length === length) return run.index;
    }
    return -1;
  }

  #mark() {
    if (!this.#options.marks) return false;
    const match = this.#match(MARK);
    if (!match) return false;
    const numbers = match[1].split(',').map((number) => number.trim());
    this.#plain = this.#plain.replace(/ +$/, '\u202F'); // a mark stays with its word
    this.#flush();
    this.#root.append(...numbers.map((number) => h('span', { class: 'mark', 'data-number': number }, number)));
    this.#at += match[0].length;
    return true;
  }

  // - emphasis -

  #run(letter) {
    let end = this.#at;
    while (this.#source[end] === letter) end += 1;
    const [before, after] = [this.#neighbour(this.#at - 1, -1), this.#neighbour(end, 1)];
    const [spaceBefore, spaceAfter] = [/\s/.test(before), /\s/.test(after)];
    const [pointBefore, pointAfter] = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
    const left = !spaceAfter && (!pointAfter || spaceBefore || pointBefore);
    const right = !spaceBefore && (!pointBefore || spaceAfter || pointAfter);
    const count = end - this.#at;
    const node = document.createTextNode(this.#source.slice(this.#at, end));
    const known = letter !== '~' || count === 2;
    this.#put(node, count);
    if (this.#runs.length >= MAX_RUNS) return;
    this.#runs.push({
      node, letter, count, total: count,
      opens: known && left && (letter !== '_' || !right || pointBefore),
      closes: known && right && (letter !== '_' || !left || pointAfter),
    });
  }

  /** The visible character there; a highlight's border is not one. The text's ends count as spaces. */
  #neighbour(at, direction) {
    while (this.#source[at] === '\uE000' || this.#source[at] === '\uE001') at += direction;
    return this.#source[at] ?? ' ';
  }

  #pairRuns(bottom, isLast = false) {
    const runs = this.#runs;
    for (let c = bottom; c < runs.length; c += 1) {
      const closer = runs[c];
      while (closer.closes && closer.count > 0) {
        let o = c - 1;
        while (o >= bottom && !pairs(runs[o], closer)) o -= 1;
        if (o < bottom) break;
        wrap(runs[o], closer);
        runs.splice(o + 1, c - o - 1);
        c = o + 1;
        if (runs[o].count === 0) {
          runs.splice(o, 1);
          c -= 1;
        }
      }
    }
    if (isLast && this.#options.streaming) {
      for (const run of runs.slice(bottom).reverse()) if (run.opens && run.count > 0) wrapRest(run);
    }
    runs.length = bottom;
  }

  // - links -

  #open(opening) {
    const node = document.createTextNode(opening);
    const length = opening.length;
    this.#put(node, length);
    this.#brackets.push({ node, image: length === 2, runs: this.#runs.length, alive: true });
  }

  #close() {
    const opener = this.#brackets.pop();
    if (!opener?.alive) return this.#text(']');
    const target = this.#target(this.#at + 1);
    if (!target) return this.#text(']');
    this.#flush();
    this.#pairRuns(opener.runs);
    const inner = document.createDocumentFragment();
    while (opener.node.nextSibling) inner.append(opener.node.nextSibling);
    opener.node.remove();
    this.#root.append(opener.image ? imageLink(target.address, inner.textContent) : link(target.address, inner));
    if (!opener.image) for (const bracket of this.#brackets) bracket.alive &&= bracket.image;
    this.#at = target.end;
    return true;
  }

  /** `(address "title")` at `at`. While the text grows, an address without its end counts as one to nowhere. */
  #target(at) {
    if (this.#source[at] !== '(') return null;
    const part = this.#source.slice(at, at + MAX_DESTINATION);
    const match = /^\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*))(?:\s+(?:"[^"]*"|'[^']*'|\([^()]*\)))?\s*\)/.exec(part);
    if (match) return { address: (match[1] ?? match[2]).replace(/\\([!-/:-@[-`{-~])/g, '$1'), end: at + match[0].length };
    if (this.#options.streaming && /^\([^)\n]*$/.test(part)) return { address: '', end: this.#source.length };
    return null;
  }

  #angleLink() {
    const match = this.#match(ANGLE_LINK);
    return match && this.#put(link(match[1], match[1]), match[0].length);
  }

  #bareLink() {
    if (/\w/.test(this.#source[this.#at - 1] ?? '') || this.#brackets.some((bracket) => bracket.alive)) return false;
    const match = this.#match(URL_TEXT);
    if (!match) return false;
    let address = match[0].replace(/(?:[?!.,:;'"*_~`|\]]|&[a-z]+;)+$/i, '');
    while (address.endsWith(')') && count(address, ')') > count(address, '(')) address = address.slice(0, -1);
    return this.#put(link(address, address), address.length);
  }
}

const count = (text, letter) => text.split(letter).length - 1;

function pairs(opener, closer) {
  if (!opener.opens || opener.count === 0 || opener.letter !== closer.letter) return false;
  if (!opener.closes && !closer.opens) return true;
  const sum = opener.total + closer.total;
  return sum % 3 !== 0 || (opener.total % 3 === 0 && closer.total % 3 === 0);
}

function wrap(opener, closer) {
  const size = opener.count >= 2 && closer.count >= 2 ? 2 : 1;
  const element = h(opener.letter === '~' ? 'del' : size === 2 ? 'strong' : 'em');
  while (opener.node.nextSibling !== closer.node) element.append(opener.node.nextSibling);
  opener.node.after(element);
  for (const run of [opener, closer]) {
    run.count -= size;
    run.node.data = run.letter.repeat(run.count);
  }
}

function wrapRest(run) {
  const element = h(run.letter === '~' ? 'del' : run.count >= 2 ? 'strong' : 'em');
  while (run.node.nextSibling) element.append(run.node.nextSibling);
  run.node.after(element);
  run.node.data = '';
}

/** The parsed address if it is one that may be followed, else null. */
function safeUrl(address) {
  let url;
  try {
    url = new URL(address.replace(/[\uE000\uE001]/g, ''));
  } catch {
    return null;
  }
  const known = ['http:', 'https:', 'mailto:'].includes(url.protocol);
  return known && !url.username && !url.password ? url : null;
}

/** A link that says where it leads; just its text where it leads nowhere. */
function link(address, content) {
  const url = safeUrl(address);
  const inner = document.createDocumentFragment();
  inner.append(content);
  if (!url) return inner;
  const place = url.protocol === 'mailto:' ? decodePath(url.pathname) : url.hostname;
  const text = inner.textContent.trim();
  const element = h('a', { href: url.href, target: '_blank', rel: 'noopener noreferrer nofollow' }, inner);
  if (text === '') element.append(place);
  else if (text !== address && text !== place) element.append(h('span', { class: 'host', dir: 'ltr' }, ` (${place})`));
  return element;
}

function decodePath(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function imageLink(address, alt) {
  const inner = document.createDocumentFragment();
  inner.append(icon('image'), ` ${alt || t('image')}`);
  return link(address, inner);
}
