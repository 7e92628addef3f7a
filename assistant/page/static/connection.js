// The line to the mentor: a websocket, or server-sent events where a websocket cannot be opened.
//
// It knows nothing of conversations. Whoever uses it is told when the line is ready and then says what to send or to
// follow; after each break it is told so again, and what is said in between is not heard. Events are numbered, so that
// following a run anew loses and doubles nothing.
//
//   connecting → live ⇄ resuming      a run was under way when the line broke
//       ↑          ↓
//       └──── offline                 the service cannot be reached; tried again with growing pauses

import { ApiError } from './api.js';

const OPEN_SECONDS = 6;
const FIRST_PAUSE_SECONDS = 0.5;
const LONGEST_PAUSE_SECONDS = 15;
const SOCKET_AGAIN_SECONDS = 60; // after a socket was not to be had
const SILENCE_SECONDS = 45; // of a run under way; then somebody looks whether the line still lives

const TOKEN_EXPIRED = 4401;
const ACCESS_LOST = 4403;

export class Connection {
  #api;
  #session;
  #space;
  #handlers;
  #socket = null;
  #overHttp = false;
  #isReady = false;
  #stream = null; // AbortController of the events that are read over HTTP
  #tries = 0;
  #socketAfter = 0; // before this time no socket is tried
  #timer = null;
  #silence = null;
  #closed = false;
  #attempt = 0; // to connect; an earlier one that is still under way then counts no more

  /**
   * Handlers: `state(name)`, `ready()`, `event(event)`, `refused(error, runId)` for what was sent and not taken,
   * `busy()` → whether a run is under way, `lost()` the space is not ours any more.
   */
  constructor(api, session, space, handlers) {
    this.#api = api;
    this.#session = session;
    this.#space = space;
    this.#handlers = handlers;
    addEventListener('online', this.#online);
    addEventListener('offline', this.#offline);
  }

  get overHttp() {
    return this.#overHttp;
  }

  /** For the first time; one that was closed stays closed. */
  open() {
    this.#connect();
  }

  close() {
    this.#closed = true;
    removeEventListener('online', this.#online);
    removeEventListener('offline', this.#offline);
    this.#drop();
  }

  /** A new line, for a new conversation: what still comes over the old one belongs to nobody. */
  restart() {
    this.#drop();
    this.#connect();
  }

  /** Ask the mentor: an AG-UI RunAgentInput. */
  run(input) {
    if (!this.#isReady) return;
    this.#watch();
    if (this.#socket) this.#send(input);
    else this.#read(() => this.#api.open('POST', `${this.#spacePath}/agent`, input, this.#stream.signal), input.runId);
  }

  /** Events of a run with a number above `after`. */
  follow(runId, after) {
    if (!this.#isReady) return;
    this.#watch();
    const path = `/api/runs/${encodeURIComponent(runId)}/events?after=${after}`;
    if (this.#socket) this.#send({ type: 'subscribe', runId, after });
    else this.#read(() => this.#api.open('GET', path, undefined, this.#stream.signal), runId);
  }

  async cancel(runId) {
    if (!this.#isReady) return;
    if (this.#socket) return this.#send({ type: 'cancel', runId });
    try {
      await this.#api.post(`/api/runs/${encodeURIComponent(runId)}/cancel`);
    } catch (error) {
      this.#handlers.refused(error, runId);
    }
  }

  get #spacePath() {
    return `/api/spaces/${encodeURIComponent(this.#space)}`;
  }

  // --- opening, and opening again ---

  async #connect() {
    clearTimeout(this.#timer);
    if (this.#closed || this.#socket) return;
    const attempt = (this.#attempt += 1);
    if (this.#tries < 2) this.#sayTrying();
    const token = this.#session.token;
    const hopeful = Date.now() >= this.#socketAfter;
    const socket = hopeful ? await openSocket(`${this.#spacePath}/agent/ws`, token) : null;
    if (attempt !== this.#attempt) socket?.close();
    else if (socket) this.#useSocket(socket);
    else await this.#withoutSocket(token, attempt);
  }

  #sayTrying() {
    this.#handlers.state(this.#handlers.busy() ? 'resuming' : 'connecting');
  }

  #useSocket(socket) {
    this.#socket = socket;
    this.#overHttp = false;
    socket.onmessage = (message) => this.#socket === socket && this.#receive(JSON.parse(message.data));
    socket.onclose = (close) => this.#socketClosed(socket, close.code);
    this.#ready();
  }

  /** A browser does not say why a socket was refused. The space's own address does. */
  async #withoutSocket(token, attempt) {
    try {
      await this.#api.get(this.#spacePath);
    } catch (error) {
      if (attempt !== this.#attempt || error.status === 401) return;
      if (error.status === 403 || error.status === 404) this.#handlers.lost();
      else this.#tryAgain();
      return;
    }
    if (attempt !== this.#attempt) return;
    if (token !== this.#session.token) return this.#connect(); // it had run out
    this.#socketAfter = Date.now() + SOCKET_AGAIN_SECONDS * 1000;
    this.#overHttp = true;
    this.#ready();
  }

  #ready() {
    this.#tries = 0;
    this.#isReady = true;
    this.#handlers.state('live');
    this.#handlers.ready();
  }

  #tryAgain() {
    this.#drop();
    if (this.#closed) return;
    if (this.#tries > 0) this.#handlers.state('offline');
    const pause = Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** this.#tries);
    this.#tries += 1;
    this.#timer = setTimeout(() => this.#connect(), pause * (0.5 + Math.random() / 2) * 1000);
  }

  async #socketClosed(socket, code) {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#isReady = false;
    if (code === ACCESS_LOST) return this.#handlers.lost();
    if (code === TOKEN_EXPIRED && !(await this.#session.renew()) && !this.#session.isDemo) return this.#session.end();
    this.#sayTrying();
    this.#tryAgain();
  }

  #drop() {
    this.#isReady = false;
    this.#attempt += 1;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#stream?.abort();
    this.#stream = null;
  }

  #online = () => {
    this.#tries = 0;
    if (!this.#isReady) this.#connect();
  };

  #offline = () => {
    this.#tries = Math.max(2, this.#tries);
    this.#tryAgain();
  };

  // --- sending and receiving ---

  #send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  /** The session has a new token: the socket stays open with it. */
  renewed(token) {
    if (this.#socket) this.#send({ type: 'token', token });
  }

  #receive(event) {
    if (this.#handlers.busy()) this.#watch();
    if (event.type === 'RUN_ERROR' && event.metadata?.seq === undefined) {
      this.#handlers.refused(new ApiError(400, event.code, event.message), event.runId);
    } else {
      this.#handlers.event(event);
    }
  }

  async #read(begin, runId) {
    this.#stream?.abort();
    const mine = (this.#stream = new AbortController());
    try {
      const response = await begin();
      for await (const event of serverSentEvents(response.body)) {
        if (this.#stream !== mine) return;
        this.#receive(event);
      }
    } catch (error) {
      if (this.#stream !== mine) return;
      if (error instanceof ApiError && error.status !== 0 && error.status < 500) {
        this.#stream = null;
        if (error.status !== 401) this.#handlers.refused(error, runId);
        return;
      }
    }
    if (this.#stream !== mine) return;
    this.#stream = null;
    if (this.#handlers.busy()) {
      this.#handlers.state('resuming');
      this.#tryAgain();
    }
  }

  /** A line can be dead without a word. If nothing comes for long, ask for the rest over a new one. */
  #watch() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      if (!this.#closed && this.#handlers.busy()) this.restart();
    }, SILENCE_SECONDS * 1000);
  }
}

/** An open socket, or null if it cannot be had. */
function openSocket(path, token) {
  const address = new URL(path, location.href);
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return new Promise((resolve) => {
    let socket;
    try {
      socket = new WebSocket(address, ['ag-ui.v1', `bearer.${token}`]);
    } catch {
      return resolve(null);
    }
    const timer = setTimeout(() => socket.close(), OPEN_SECONDS * 1000);
    socket.onopen = () => {
      clearTimeout(timer);
      resolve(socket);
    };
    socket.onclose = () => {
      clearTimeout(timer);
      resolve(null);
    };
  });
}

async function* serverSentEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += part.value;
      const records = text.split('\n\n');
      text = records.pop();
      for (const record of records) {
        const data = record.split('\n').filter((line) => line.startsWith('data: ')).map((line) => line.slice(6));
        if (data.length) yield JSON.parse(data.join('\n'));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
