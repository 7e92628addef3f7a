// A source, opened: its document, with the quoted words marked, at their place. Beside the conversation where there is
// room, over it where there is not.

import { byId, h, icon } from './dom.js';
import { render } from './markdown.js';
import { t } from './strings.js';
import { placeOf } from './turn.js';

const AROUND = 6000; // characters of the document shown before and after the quote, until somebody asks for all of it
const START = '\uE000'; // private-use letters that stand where the quote begins and ends while Markdown is read
const END = '\uE001';

export class SourcePanel {
  #dialog = byId('source');
  #title = byId('source-title');
  #place = byId('source-place');
  #body = byId('source-body');
  #opener = null;
  #shown = 0;
  #load;

  /** `load(documentId)` → `{content, content_type, …}`, raises ApiError. */
  constructor(load) {
    this.#load = load;
    byId('source-close').addEventListener('click', () => this.close());
    this.#dialog.addEventListener('close', () => this.#closed());
    this.#dialog.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      event.stopPropagation();
      this.close();
    });
    matchMedia('(min-width: 64rem)').addEventListener('change', () => this.close());
  }

  get isOpen() {
    return this.#dialog.open;
  }

  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  async open(citation, opener) {
    const shown = (this.#shown += 1);
    this.#mark(opener);
    this.#title.textContent = citation.title;
    const place = placeOf({ ...citation, title: null });
    this.#place.textContent = place.replace(/^, /, '');
    this.#place.hidden = this.#place.textContent === '';
    this.#body.replaceChildren(h('blockquote', { dir: 'auto' }, h('mark', {}, citation.quote)), h('p', { class: 'thinking' }, t('loading')));
    this.#show();
    let document;
    try {
      document = await this.#load(citation.document_id);
    } catch (error) {
      if (shown === this.#shown) this.#explain(citation, error.status === 404 ? t('documentGone') : error.message);
      return;
    }
    if (shown === this.#shown) this.#showDocument(citation, document, AROUND);
  }

  #show() {
    if (!this.#dialog.open) {
      if (matchMedia('(min-width: 64rem)').matches) this.#dialog.show();
      else this.#dialog.showModal();
    }
    this.#title.focus();
  }

  #mark(opener) {
    this.#opener?.removeAttribute('aria-expanded');
    this.#opener = opener;
    opener.setAttribute('aria-expanded', 'true');
  }

  #closed() {
    this.#shown += 1;
    this.#title.textContent = this.#place.textContent = '';
    this.#body.replaceChildren();
    const opener = this.#opener;
    this.#opener = null;
    opener?.removeAttribute('aria-expanded');
    if (opener?.isConnected) opener.focus();
    else byId('message').focus();
  }

  /** The quote alone, with what is to be said about its document. */
  #explain(citation, sentence) {
    this.#body.replaceChildren(
      h('p', { class: 'notice' }, icon('info'), h('span', {}, sentence)),
      h('blockquote', { dir: 'auto' }, h('mark', {}, citation.quote)));
  }

  #showDocument(citation, document, around) {
    const { content, content_type: format } = document;
    const found = locate(content, citation);
    if (!found) return this.#explain(citation, t('documentChanged'));
    const [start, end] = found;
    const from = start <= around ? 0 : blockStart(content, start - around);
    const to = content.length - end <= around ? content.length : blockEnd(content, end + around);
    const text = h('div', { class: 'prose document', dir: 'auto' });
    const all = () => this.#showDocument(citation, document, Infinity);
    const more = () => h('button', { type: 'button', class: 'quiet', onclick: all }, t('wholeDocument'));
    if (format === 'text' || !drawMarked(text, content.slice(from, to), start - from, end - from)) {
      text.classList.add('plain');
      text.replaceChildren(content.slice(from, start), h('mark', {}, content.slice(start, end)), content.slice(end, to));
    }
    this.#body.replaceChildren(...[from > 0 && more(), text, to < content.length && more()].filter(Boolean));
    text.querySelector('mark')?.scrollIntoView({ block: 'center' });
  }
}

/** Where the quote stands in the document now, in UTF-16 units; null if it is not there any more. */
function locate(content, { quote, start, end }) {
  const from = unitsOf(content, start);
  const to = unitsOf(content, end - start, from);
  if (content.slice(from, to) === quote) return [from, to];
  const elsewhere = content.indexOf(quote);
  return elsewhere < 0 ? null : [elsewhere, elsewhere + quote.length];
}

/** The position `points` code points after `from`. */
function unitsOf(content, points, from = 0) {
  let at = from;
  for (let n = 0; n < points && at < content.length; n += 1) at += content.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
}

function blockStart(content, at) {
  const blank = content.lastIndexOf('\n\n', at);
  return blank < 0 ? 0 : blank + 2;
}

function blockEnd(content, at) {
  const blank = content.indexOf('\n\n', at);
  return blank < 0 ? content.length : blank;
}

/** Draw Markdown with a part of it marked. False if the part's borders got lost in the markup. */
function drawMarked(container, source, start, end) {
  if (source.includes(START) || source.includes(END)) return false;
  const begin = start + /^(?:[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+|\d{1,9}[.)][ \t]+|\|))*/.exec(lineTail(source, start))[0].length;
  if (begin >= end) return false;
  container.replaceChildren(render(source.slice(0, begin) + START + source.slice(begin, end) + END + source.slice(end), { level: 2 }));
  const walker = document.createTreeWalker(container, NodeFilter.SHOW_TEXT);
  const texts = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) texts.push(node);
  const first = texts.findIndex((node) => node.data.includes(START));
  const last = texts.findIndex((node) => node.data.includes(END));
  if (first < 0 || last < first) return false;
  texts.slice(first, last + 1).forEach((node, i) => markPart(node, i === 0, i === last - first));
  return true;
}

/** The rest of the line where `at` is, if `at` is where the line begins; there markup may stand that must stay first. */
function lineTail(source, at) {
  const isStart = /(?:^|\n)[ \t]*$/.test(source.slice(Math.max(0, at - 200), at));
  return isStart ? source.slice(at, at + 200).split('\n')[0] : '';
}

function markPart(node, isFirst, isLast) {
  const from = isFirst ? node.data.indexOf(START) : 0;
  const to = isLast ? node.data.indexOf(END) : node.data.length;
  const inner = node.data.slice(from + (isFirst ? 1 : 0), to);
  const before = node.data.slice(0, from);
  const after = node.data.slice(to + (isLast ? 1 : 0));
  if (inner.trim() === '') node.replaceWith(before + inner + after);
  else node.replaceWith(before, h('mark', {}, inner), after);
}
