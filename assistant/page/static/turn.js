// One question and its answer on the screen. The answer grows piece by piece; what is finished is left alone.

import { h, icon } from './dom.js';
import { StreamingMarkdown, textOf } from './markdown.js';
import { Proposals } from './proposals.js';
import { known, language, t, told } from './strings.js';

const HEADING_LEVEL = 2; // the page has a first and this part a second level already

export class TurnView {
  element = h('section', { class: 'turn' });
  #turn;
  #actions;
  #question = h('div', { class: 'question' });
  #answer = h('div', { class: 'answer' });
  #tools = h('ul', { class: 'tools', 'aria-label': t('toolsLabel') });
  #thinking = h('p', { class: 'thinking' }, h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')), h('span', { class: 'label' }));
  #prose = h('div', { class: 'prose', dir: 'auto' });
  #after = h('div', { class: 'after' });
  #markdown = new StreamingMarkdown(this.#prose, { marks: true, level: HEADING_LEVEL });
  #toolsShown = '';
  #finished = false;

  /** Actions: `retry(turn)`, `openSource(citation, opener)`, and what Proposals asks for. */
  constructor(turn, actions) {
    this.#turn = turn;
    this.#actions = actions;
    this.#question.append(
      h('h2', { class: 'visually-hidden' }, t('you')),
      h('div', { class: 'bubble', dir: 'auto' }, turn.text),
    );
    this.#answer.append(h('h2', { class: 'who' }, icon('mark'), t('mentor')), this.#tools, this.#prose, this.#thinking, this.#after);
    this.element.append(this.#question, this.#answer);
    this.update();
  }

  update() {
    const { run, state } = this.#turn;
    const running = state === 'waiting' || (state === 'sent' && run !== null && !run.ended);
    this.#answer.hidden = run === null && state === 'sent';
    this.#answer.setAttribute('aria-busy', String(running));
    this.element.classList.toggle('running', running);
    if (run) {
      this.#showTools(run);
      this.#markdown.update(run.text, running);
    }
    this.#thinking.hidden = !running;
    this.#thinking.classList.toggle('beside-text', Boolean(run?.text));
    this.#thinking.querySelector('.label').textContent = this.#waitingFor();
    if (!running && !this.#finished) {
      this.#finished = true;
      this.#finish();
    }
  }

  /** The answer as plain text, for those who hear it. */
  get spoken() {
    const copy = this.#prose.cloneNode(true);
    for (const part of copy.querySelectorAll('.mark, figcaption')) part.remove();
    const { run, error } = this.#turn;
    const problem = error ?? run?.error;
    const contradicted = (run?.notices ?? []).filter(contradicts).map(noticeText);
    return [copy.textContent.trim(), ...contradicted, problem && told(problem)].filter(Boolean).join(' ');
  }

  #waitingFor() {
    const { run, state } = this.#turn;
    if (run?.stopping) return t('stopping');
    if (state === 'waiting') return t('sending');
    return run?.text ? '' : t('thinking');
  }

  #showTools(run) {
    const tools = [...run.tools.values()].filter(({ state }) => state !== 'waiting'); // those have cards of their own
    const shown = JSON.stringify(tools);
    if (shown === this.#toolsShown) return;
    this.#toolsShown = shown;
    this.#tools.replaceChildren(...tools.map(toolCard));
  }

  #finish() {
    const { run, state, error } = this.#turn;
    if (state === 'refused') {
      this.#after.append(this.#problem(t('notSent'), error));
      return;
    }
    if (!run) return;
    resolveMarks(this.#prose, run.citations, this.#actions.openSource);
    for (const notice of run.notices) {
      const sentence = noticeText(notice);
      const [kind, sign] = contradicts(notice) ? ['notice contradiction', 'alert'] : ['notice', 'info'];
      if (sentence) this.#after.append(h('p', { class: kind, dir: 'auto' }, icon(sign), h('span', {}, sentence)));
    }
    if (run.status === 'cancelled') this.#after.append(h('p', { class: 'notice' }, icon('stop'), t('stopped')));
    if (run.proposed) this.#after.append(new Proposals(run.id, this.#actions).element);
    if (run.error) this.#after.append(this.#problem(t(run.status === 'interrupted' ? 'interrupted' : 'failed'), run.error));
    this.#after.append(...this.#sources(run));
  }

  #sources(run) {
    const parts = [];
    if (run.citations.length) parts.push(sourceList(run.citations, this.#actions.openSource));
    else if (run.notices.some(({ name }) => name === 'no_sources')) parts.push(h('p', { class: 'unsourced' }, icon('unsourced'), t('unsourced')));
    if (run.text && navigator.clipboard) parts.push(copyButton(run.text));
    return parts;
  }

  #problem(heading, error) {
    return h('div', { class: 'problem', role: 'group', 'aria-label': heading },
      h('p', {}, icon('alert'), h('span', {}, h('strong', {}, heading), ' ', told(error))),
      h('button', { type: 'button', class: 'quiet', onclick: () => this.#actions.retry(this.#turn) }, icon('retry'), t('tryAgain')));
  }
}

// --- sources ---------------------------------------------------------------------------------------------------------

/** Marks become buttons where there is a source behind them, and the text that they were where there is none. */
function resolveMarks(prose, citations, open) {
  const byIndex = new Map(citations.map((citation) => [String(citation.index), citation]));
  for (const mark of prose.querySelectorAll('span.mark')) {
    const citation = byIndex.get(mark.dataset.number);
    if (!citation) {
      mark.replaceWith(`[${mark.dataset.number}]`);
      continue;
    }
    mark.replaceWith(
      h('button', {
        type: 'button', class: 'mark', title: placeOf(citation), 'aria-haspopup': 'dialog',
        'aria-label': t('sourceNumber', { number: citation.index, title: citation.title }),
        onclick: (event) => open(citation, event.currentTarget),
      }, String(citation.index)));
  }
}

function sourceList(citations, open) {
  const items = citations.map((citation) =>
    h('li', {},
      h('button', { type: 'button', class: 'source', 'aria-haspopup': 'dialog', onclick: (event) => open(citation, event.currentTarget) },
        h('span', { class: 'number', 'aria-hidden': 'true' }, String(citation.index)),
        h('span', { class: 'visually-hidden' }, `${t('source')} ${citation.index}: `),
        h('span', { class: 'place', dir: 'auto' }, placeOf(citation)),
        h('q', { dir: 'auto' }, shorten(textOf(citation.quote))))));
  return h('section', { class: 'sources', 'aria-label': t('sources') },
    h('h3', {}, t('sourceCount', { count: citations.length })),
    h('ol', { role: 'list' }, ...items));
}

/** Title › heading, p. 3 */
export function placeOf({ title, heading, page }) {
  const place = [title, heading].filter(Boolean).join(' › ');
  return page === null || page === undefined ? place : `${place}, ${t('page', { page })}`;
}

function shorten(line) {
  return line.length <= 160 ? line : `${line.slice(0, 160).replace(/\s\S*$/, '')} …`;
}

function copyButton(text) {
  const label = h('span', {}, t('copy'));
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    label.textContent = t('copied');
    setTimeout(() => { label.textContent = t('copy'); }, 2000);
  };
  return h('button', { type: 'button', class: 'quiet small copy', onclick: copy }, icon('copy'), label);
}

// --- tools and notices -----------------------------------------------------------------------------------------------

function toolCard({ name, arguments: written, state, data }) {
  const outcome = { done: 'done', not_done: 'notDone', failed: 'failed' }[data?.status] ?? state;
  const detail = outcome === 'running' ? '' : detailOf(written);
  return h('li', { class: `tool ${outcome}` },
    icon({ running: 'spinner', done: 'check', notDone: 'info', failed: 'alert' }[outcome]),
    h('span', { class: 'words' }, toolWords(name, outcome, data?.code)),
    detail && h('span', { class: 'detail', dir: 'auto' }, detail));
}

function toolWords(name, outcome, code) {
  const way = outcome === 'done' || outcome === 'running' ? outcome : 'what';
  const what = known(`tool.${name}.${way}`) ?? t('tool.other', { name });
  return way === 'what' ? (known(`tool.${code}`, { what }) ?? t(`tool.${outcome}`, { what })) : what;
}

/** What of a call's arguments says most to a person. */
function detailOf(written) {
  try {
    const given = JSON.parse(written);
    if (typeof given.completion_percentage === 'number') return new Intl.NumberFormat(language, { style: 'percent' }).format(given.completion_percentage / 100);
    const words = given.title ?? given.query;
    return typeof words === 'string' ? shorten(words.trim()) : '';
  } catch {
    return '';
  }
}

/** Whether a notice says that the answer is wrong: then it is seen, and heard, with it. */
const contradicts = ({ name }) => name === 'claim_not_backed';

function noticeText({ name, value }) {
  const values = Array.isArray(value?.claims) ? { ...value, claims: value.claims.map((claim) => `“${shorten(textOf(claim))}”`).join(' ') } : value;
  const sentence = known(`notice.${name}.${value?.reason}`, values) ?? known(`notice.${name}`, values) ?? value?.message;
  return typeof sentence === 'string' ? sentence : '';
}
