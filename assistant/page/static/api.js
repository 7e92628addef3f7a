// Requests to the service: JSON in, JSON out, errors as ApiError with a sentence that people can read.

import { t } from './strings.js';

export class ApiError extends Error {
  /** `status` 0: the service could not be reached. */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const CALM_SECONDS = 20;

export class Api {
  #session;

  constructor(session) {
    this.#session = session;
  }

  async get(path) {
    return (await this.open('GET', path)).json();
  }

  async post(path, body) {
    return (await this.open('POST', path, body)).json();
  }

  /** Every page of a list, oldest first. */
  async all(path) {
    const items = [];
    let cursor = '';
    do {
      const page = await this.get(`${path}${path.includes('?') ? '&' : '?'}limit=100${cursor}`);
      items.push(...page.items);
      cursor = page.next_cursor && `&cursor=${encodeURIComponent(page.next_cursor)}`;
    } while (cursor);
    return items;
  }

  /** The response itself, once its head is there and says that all is well. A token that has run out is renewed once. */
  async open(method, path, body, signal = null) {
    let response = await this.#send(method, path, body, signal);
    if (response.status === 401 && this.#session.token !== null && (await this.#session.renew())) {
      response = await this.#send(method, path, body, signal);
    }
    if (response.status === 401 && this.#session.token !== null) this.#session.end();
    if (!response.ok) throw await asError(response);
    return response;
  }

  #send(method, path, body, signal) {
    return request(method, path, { body, signal, token: this.#session.token });
  }
}

/** One request with a time limit for the head of the answer; a stream may go on for as long as it likes. */
export async function request(method, path, { body, token = null, signal = null } = {}) {
  const headers = { Accept: 'application/json, text/event-stream' };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), CALM_SECONDS * 1000);
  try {
    return await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'unreachable', t('unreachable'));
  } finally {
    clearTimeout(timer);
  }
}

export async function asError(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // Not a problem document: something between the service and us has answered.
  }
  const faults = Array.isArray(problem.errors) ? problem.errors.map((fault) => fault.message).filter(Boolean) : [];
  const sentence = problem.detail || faults.join(' ') || t('unexpected', { status: response.status });
  return new ApiError(response.status, problem.code ?? 'http_error', sentence);
}
