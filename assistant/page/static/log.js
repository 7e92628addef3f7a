// The conversation on the screen: turns from top to bottom, the newest in sight unless somebody reads further up.

import { announce } from './announcer.js';
import { byId, h, icon } from './dom.js';
import { t } from './strings.js';
import { TurnView } from './turn.js';

const NEAR = 80; // pixels from the end: who scrolls down to there wants to see what comes

export class Log {
  #scroller = byId('log');
  #column = byId('turns');
  #latest = byId('latest');
  #views = new Map();
  #changed = new Set();
  #frame = null;
  #follows = true;
  #top = 0; // where the last scroll, a person's or our own, has led to
  #actions;

  /** Actions: `retry(turn)`, `openSource(citation, opener)`, `ask(text)`, `previous()`, and what Proposals asks for. */
  constructor(actions) {
    this.#actions = actions;
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.#latest.addEventListener('click', () => {
      this.#toEnd(true);
      byId('message').focus();
    });
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(this.#column);
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(this.#scroller);
  }

  clear() {
    this.#views.clear();
    this.#changed.clear();
    this.#column.replaceChildren();
  }

  /** All turns anew; the welcome where there are none. */
  show(turns, welcome) {
    this.clear();
    if (turns.length === 0) this.#column.append(this.#welcome(welcome));
    for (const turn of turns) this.#append(turn);
    this.#toEnd();
  }

  add(turn) {
    this.#column.querySelector('.welcome')?.remove();
    this.#append(turn);
    this.#toEnd();
  }

  remove(turn) {
    this.#views.get(turn)?.element.remove();
    this.#views.delete(turn);
  }

  /** Drawn with the next frame, however many changes come before it. */
  change(turn) {
    this.#changed.add(turn);
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  end(turn) {
    this.#changed.add(turn);
    this.#draw();
    const view = this.#views.get(turn);
    if (view) announce(`${t(turn.error || turn.run.error ? 'answerFailed' : turn.run.proposed ? 'awaitingApproval' : 'answerReady')} ${view.spoken} ${sourcesSpoken(turn)}`);
  }

  #append(turn) {
    const view = new TurnView(turn, this.#actions);
    this.#views.set(turn, view);
    this.#column.append(view.element);
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = null;
    for (const turn of this.#changed) this.#views.get(turn)?.update();
    this.#changed.clear();
  }

  /** Only a person scrolls up. That the end is far may mean no more than that the answer has grown since. */
  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    const left = scrollHeight - clientHeight - scrollTop;
    if (left <= 1 || (left <= NEAR && scrollTop > this.#top)) this.#follows = true;
    else if (scrollTop < this.#top) this.#follows = false;
    this.#top = scrollTop;
    this.#latest.hidden = this.#follows;
  }

  #toEnd(smooth = false) {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' });
    this.#top = this.#scroller.scrollTop;
    this.#follows = true;
    this.#latest.hidden = true;
  }

  #welcome({ greeting, prompts, hasPrevious }) {
    const ask = (prompt) =>
      h('li', {}, h('button', { type: 'button', class: 'prompt', dir: 'auto', onclick: () => this.#actions.ask(prompt) },
        h('span', {}, prompt), icon('arrow')));
    return h('section', { class: 'welcome' },
      h('p', { class: 'who' }, icon('mark'), t('yourMentor')),
      h('h2', { class: 'greeting', dir: 'auto' }, greeting),
      prompts.length > 0 && h('ul', { class: 'prompts', role: 'list', 'aria-label': t('suggestions') }, ...prompts.map(ask)),
      hasPrevious && h('button', { type: 'button', class: 'quiet', onclick: () => this.#actions.previous() }, icon('back'), t('previous')));
  }
}

function sourcesSpoken(turn) {
  const count = turn.run?.citations.length ?? 0;
  return count ? t('sourceCount', { count }) : '';
}
