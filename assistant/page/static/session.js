// Who is signed in here, and with which token. A token lives in memory and in this tab's session storage only; the
// demo's own is never stored, since it can be had anew.

import { asError, request } from './api.js';

const STORED = 'goalspace.session';
const EARLY_SECONDS = 60; // how long before its end a token is renewed

export class Session {
  token = null;
  email = null;
  isDemo = false;
  onRenewed = () => {};
  onEnded = () => {};
  #timer = null;

  /** The demo's person and space: `{space_id, space_title, greeting, suggested_prompts}`. Raises ApiError. */
  async openDemo() {
    const response = await request('GET', '/demo/session');
    if (!response.ok) throw await asError(response);
    const demo = await response.json();
    this.isDemo = true;
    this.#take(demo.access_token, demo.expires_in);
    return demo;
  }

  /** True if this tab was signed in before it was loaded anew. */
  restore() {
    const stored = readJson(sessionStorage.getItem(STORED));
    if (!stored || stored.until <= Date.now()) return false;
    this.email = stored.email;
    this.#take(stored.token, (stored.until - Date.now()) / 1000);
    return true;
  }

  signIn(email, password) {
    return this.#askForToken('/auth/token', { email, password });
  }

  signUp(email, password, fullName) {
    return this.#askForToken('/auth/signup', { email, password, ...(fullName && { full_name: fullName }) });
  }

  /** A token that somebody else issued. */
  useToken(token) {
    this.#keep(token.trim(), expiryOf(token) ?? 3600);
  }

  /** A fresh token in place of one that has run out; false where only a person can get one. */
  async renew() {
    if (!this.isDemo) return false;
    try {
      await this.openDemo();
    } catch {
      return false;
    }
    this.onRenewed(this.token);
    return true;
  }

  end() {
    if (this.token === null) return;
    this.forget();
    this.onEnded();
  }

  forget() {
    clearTimeout(this.#timer);
    sessionStorage.removeItem(STORED);
    this.token = this.email = null;
  }

  async #askForToken(path, body) {
    const response = await request('POST', path, { body });
    if (!response.ok) throw await asError(response);
    const answer = await response.json();
    this.email = body.email;
    this.#keep(answer.access_token, answer.expires_in);
  }

  #keep(token, seconds) {
    const until = Date.now() + seconds * 1000;
    sessionStorage.setItem(STORED, JSON.stringify({ token, email: this.email, until }));
    this.#take(token, seconds);
  }

  #take(token, seconds) {
    this.token = token;
    clearTimeout(this.#timer);
    const wait = this.isDemo ? Math.max(5, seconds - EARLY_SECONDS) : seconds;
    this.#timer = setTimeout(() => this.#expire(), Math.min(wait * 1000, 2 ** 31 - 1));
  }

  async #expire() {
    if (!(await this.renew()) && !this.isDemo) this.end();
  }
}

/** Seconds until the `exp` of a JWT, if it is one. What is in it is for the service to judge. */
function expiryOf(token) {
  try {
    const claims = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
    return Number.isFinite(claims.exp) ? claims.exp - Date.now() / 1000 : null;
  } catch {
    return null;
  }
}

export function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
