// What screen readers are told: whole answers when they are there, not letters as they come.

import { byId } from './dom.js';

let timer = null;

export function announce(text) {
  const region = byId('announcer');
  region.textContent = '';
  clearTimeout(timer);
  // The same text twice is a change only if there was none in between.
  timer = setTimeout(() => { region.textContent = text; }, 50);
}

/** Forget what was said: it is not for whoever comes next. */
export function silence() {
  clearTimeout(timer);
  byId('announcer').textContent = '';
}
