// What the mentor proposed in a run, and the learner's word on it. What became of it is told in the service's words.

import { h, icon } from './dom.js';
import { t, told } from './strings.js';

const CHOICES = { proposed: ['approve', 'reject'], executed: ['undo'] };
const SIGNS = { proposed: 'info', approved: 'spinner', executed: 'check' };

export class Proposals {
  element = h('ul', { class: 'proposals', role: 'list', 'aria-label': t('proposals') });
  #desk;

  /** The desk has `proposals(runId)`, `settle(id, choice)` and `announce(text)`. */
  constructor(runId, desk) {
    this.#desk = desk;
    this.#load(runId);
  }

  async #load(runId) {
    try {
      this.element.append(...(await this.#desk.proposals(runId)).map((action) => this.#card(action)));
    } catch (error) {
      this.element.append(h('li', { class: 'proposal' }, icon('alert'), h('span', {}, told(error))));
    }
  }

  #card(action, error = null) {
    const choices = (CHOICES[action.status] ?? []).map((choice) =>
      h('button', { type: 'button', class: 'quiet small', onclick: () => this.#settle(action, choice, card) }, t(`proposal.${choice}`)));
    const card = h('li', { class: `proposal ${action.status}`, tabindex: '-1' },
      icon(SIGNS[action.status] ?? 'unsourced'),
      h('span', { class: 'words', dir: 'auto' }, action.message),
      error && h('span', { class: 'words fault' }, told(error)),
      choices.length > 0 && h('span', { class: 'choices' }, ...choices));
    return card;
  }

  async #settle(action, choice, card) {
    for (const button of card.querySelectorAll('button')) button.disabled = true;
    let fresh;
    try {
      const settled = await this.#desk.settle(action.id, choice);
      fresh = this.#card(settled);
      this.#desk.announce(settled.message);
    } catch (error) {
      fresh = this.#card(action, error);
      this.#desk.announce(told(error));
    }
    card.replaceWith(fresh);
    fresh.focus(); // the button that had it is gone
  }
}
