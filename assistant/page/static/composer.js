// Where the learner writes. Enter sends, Shift+Enter makes a new line, and nothing is sent while an input method is
// still composing. One may go on writing while the mentor answers; sending waits until it is done.

import { byId } from './dom.js';
import { t } from './strings.js';

const MAX_CHARACTERS = 32_000; // as the service takes them
const COUNTED_FROM = 28_000;

export class Composer {
  #form = byId('composer');
  #field = byId('message');
  #send = byId('send');
  #stop = byId('stop');
  #note = byId('composer-note');
  #draftKey = null; // of the conversation that is open
  #isRunning = false;

  constructor({ send, stop }) {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit(send);
    });
    this.#field.addEventListener('keydown', (event) => {
      const composing = event.isComposing || event.keyCode === 229;
      if (event.key !== 'Enter' || event.shiftKey || composing) return;
      event.preventDefault();
      this.#submit(send);
    });
    this.#field.addEventListener('input', () => this.#changed());
    this.#stop.addEventListener('click', stop);
  }

  /** Drafts are kept per conversation, in this tab. What was written before one was open goes into the first. */
  openFor(space, thread) {
    const early = this.#draftKey === null ? this.#field.value : '';
    this.#draftKey = `goalspace.draft.${space}.${thread}`;
    this.#field.value = sessionStorage.getItem(this.#draftKey) ?? early;
    this.#changed();
  }

  close() {
    this.#draftKey = null;
    this.#field.value = '';
    this.running = false;
  }

  focus() {
    this.#field.focus();
  }

  /** A text that could not be sent; not over one that was begun since. */
  giveBack(text) {
    if (this.#field.value.trim() === '') this.#field.value = text;
    this.#changed();
  }

  set running(isRunning) {
    const hadFocus = document.activeElement === this.#stop;
    this.#isRunning = isRunning;
    this.#stop.hidden = !isRunning;
    this.#send.hidden = isRunning;
    this.#changed();
    if (hadFocus && !isRunning) this.focus();
  }

  set stopping(isStopping) {
    this.#stop.setAttribute('aria-disabled', String(isStopping)); // not `disabled`, which would lose the focus
  }

  #submit(send) {
    const text = this.#field.value.trim();
    if (this.#send.disabled || this.#isRunning) return;
    this.#field.value = '';
    this.#changed();
    send(text);
  }

  #changed() {
    const { value } = this.#field;
    const length = [...value.trim()].length;
    const tooLong = length > MAX_CHARACTERS;
    this.#send.disabled = this.#draftKey === null || length === 0 || tooLong;
    this.#note.textContent = length < COUNTED_FROM ? '' : t(tooLong ? 'tooLong' : 'left', { count: Math.abs(MAX_CHARACTERS - length) });
    this.#field.setAttribute('aria-invalid', String(tooLong));
    this.#grow();
    if (!this.#draftKey) return;
    if (value) sessionStorage.setItem(this.#draftKey, value);
    else sessionStorage.removeItem(this.#draftKey);
  }

  #grow() {
    if (CSS.supports('field-sizing', 'content')) return;
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
