// A conversation: what was said, what is being said, and what could not be sent yet.
//
// The service's history is the history. This side keeps a cursor per run, so that a broken line costs nothing, and at
// most one message that waits to be sent, under ids that were given when it was written: sent twice it is stored once.

import { Connection } from './connection.js';
import { uuid } from './dom.js';
import { Run } from './run.js';
import { readJson } from './session.js';

const REPLAYED = 8; // runs of the history whose tool calls are fetched; older ones show their text only

export class Conversation {
  turns = []; // {messageId, text, run, state: 'waiting' | 'sent' | 'refused', error}
  thread;
  #api;
  #space;
  #view;
  #connection;
  #tabs = new BroadcastChannel('goalspace');
  #waiting = null; // the turn whose message has not been taken yet
  #loaded = false;
  #generation = 0; // raised when the history is read anew: what is still on its way then is dropped
  #healing = null; // the number after which missing events were asked for

  /**
   * The view has `shown()`, `added(turn)`, `removed(turn)`, `changed(turn)`, `ended(turn)`, `gaveBack(text, error)`,
   * `state(name)`, `lost()` and `failed(error)`.
   */
  constructor(api, session, space, view) {
    this.#api = api;
    this.#space = space;
    this.#view = view;
    this.thread = localStorage.getItem(this.#key('thread')) ?? this.#name(uuid());
    this.#connection = new Connection(api, session, space, {
      state: (name) => view.state(name),
      ready: () => this.#continue(),
      event: (event) => this.#take(event),
      refused: (error, runId) => this.#refused(error, runId),
      busy: () => this.active !== null,
      lost: () => view.lost(),
    });
    session.onRenewed = (token) => this.#connection.renewed(token);
    this.#tabs.onmessage = ({ data }) => this.#heardFromTab(data);
  }

  /** The turn that is being sent or answered. */
  get active() {
    const last = this.turns.at(-1);
    return last && (last.state === 'waiting' || (last.state === 'sent' && last.run && !last.run.ended)) ? last : null;
  }

  get overHttp() {
    return this.#connection.overHttp;
  }

  get hasPrevious() {
    return localStorage.getItem(this.#key('previous')) !== null;
  }

  async open() {
    await this.#load();
    this.#connection.open();
  }

  close() {
    this.#generation += 1;
    this.#tabs.close();
    this.#connection.close();
  }

  send(text) {
    if (this.active) return;
    const turn = { messageId: uuid(), text, state: 'waiting', run: new Run(uuid()), error: null };
    this.#wait(turn);
    this.turns.push(turn);
    this.#view.added(turn);
    this.#transmit();
  }

  /** The same question once more, as a new message. */
  retry(turn) {
    if (this.active) return;
    if (turn.state === 'refused') {
      this.turns = this.turns.filter((other) => other !== turn);
      this.#view.removed(turn);
    }
    this.send(turn.text);
  }

  stop() {
    const turn = this.active;
    if (!turn || turn.run.stopping) return;
    turn.run.stopping = true;
    this.#view.changed(turn);
    if (turn !== this.#waiting) this.#connection.cancel(turn.run.id);
  }

  /** Begin anew. A run that is under way goes on by itself and is found in the earlier conversation. */
  startNew() {
    localStorage.setItem(this.#key('previous'), this.thread);
    return this.#switchTo(uuid());
  }

  returnToPrevious() {
    const previous = localStorage.getItem(this.#key('previous'));
    localStorage.removeItem(this.#key('previous'));
    return this.#switchTo(previous);
  }

  async #switchTo(thread) {
    const wasActive = this.active !== null;
    this.#wait(null);
    this.turns = [];
    this.#name(thread);
    await this.#load();
    if (wasActive || this.active) this.#connection.restart();
  }

  #name(thread) {
    localStorage.setItem(this.#key('thread'), thread);
    this.thread = thread;
    return thread;
  }

  #key(name) {
    return `goalspace.${name}.${this.#space}`;
  }

  // --- the history ---

  /** Show what the service has. What waits to be sent is kept, unless it turns out to have arrived. */
  async #load() {
    const generation = (this.#generation += 1);
    const path = `/api/spaces/${encodeURIComponent(this.#space)}/messages?thread_id=${encodeURIComponent(this.thread)}`;
    try {
      const messages = await this.#api.all(path);
      if (generation !== this.#generation) return;
      const known = new Map(this.turns.filter((turn) => turn.run).map((turn) => [turn.run.id, turn.run]));
      this.turns = toTurns(messages, known);
      this.#loaded = true;
    } catch (error) {
      if (generation !== this.#generation) return;
      if (error.status === 403 || error.status === 404) return this.#view.lost();
      if (error.status !== 0 && error.status !== 401) this.#view.failed(error);
    }
    this.#restoreWaiting();
    this.#view.shown();
    this.#replayTools(generation);
  }

  #restoreWaiting() {
    const stored = readJson(sessionStorage.getItem(this.#key('waiting')));
    if (!stored || stored.thread !== this.thread || this.turns.some((turn) => turn.messageId === stored.messageId)) {
      this.#wait(null);
      return;
    }
    const { messageId, text, runId } = stored;
    this.#waiting = { messageId, text, state: 'waiting', run: new Run(runId), error: null };
    this.turns.push(this.#waiting);
  }

  /** A stored answer does not say which tools ran; the events of its run do. */
  async #replayTools(generation) {
    const turns = this.turns.filter((turn) => turn.run?.usedTools && !turn.run.tools.size).slice(-REPLAYED);
    for (const turn of turns.reverse()) {
      const replay = new Run(turn.run.id);
      try {
        const path = `/api/runs/${encodeURIComponent(turn.run.id)}/events?after=0`;
        const text = await (await this.#api.open('GET', path)).text();
        for (const line of text.split('\n')) if (line.startsWith('data: ')) replay.take(JSON.parse(line.slice(6)));
      } catch {
        return; // an embellishment: the answers themselves are there
      }
      if (generation !== this.#generation) return;
      turn.run.tools = replay.tools;
      this.#view.changed(turn);
    }
  }

  // --- the line ---

  /** The line is there, again or for the first time: go on where it broke. */
  async #continue() {
    if (!this.#loaded) await this.#load();
    const turn = this.active;
    if (!turn) return;
    if (turn === this.#waiting) {
      this.#transmit();
      return;
    }
    this.#connection.follow(turn.run.id, turn.run.seq);
    if (turn.run.stopping) this.#connection.cancel(turn.run.id);
  }

  #transmit() {
    const { messageId, text, run } = this.#waiting;
    this.#connection.run({
      threadId: this.thread,
      runId: run.id,
      messages: [{ id: messageId, role: 'user', content: text }],
      state: {},
      tools: [],
      context: [],
      forwardedProps: {},
    });
  }

  #take(event) {
    const turn = this.active;
    if (!turn) return;
    const { run } = turn;
    const taken = run.take(event);
    if (taken === 'gap' && this.#healing !== run.seq) {
      this.#healing = run.seq;
      this.#connection.follow(run.id, run.seq);
    }
    if (taken !== 'taken') return;
    this.#healing = null;
    if (turn === this.#waiting) this.#arrived(turn);
    if (!run.ended) return this.#view.changed(turn);
    this.#view.ended(turn);
    this.#tellTabs();
  }

  #arrived(turn) {
    turn.state = 'sent';
    this.#wait(null);
    this.#tellTabs();
    if (turn.run.stopping) this.#connection.cancel(turn.run.id);
  }

  #refused(error, runId) {
    const turn = this.active;
    if (!turn || (runId !== undefined && runId !== turn.run.id)) return;
    const wasWaiting = turn === this.#waiting;
    if (wasWaiting) {
      this.#wait(null);
      turn.state = 'refused';
      turn.error = error;
    }
    if (wasWaiting && error.code !== 'run_active') return this.#view.ended(turn);
    // Another tab has asked, or the run is not what it seemed: the service knows.
    this.#load().then(() => {
      if (wasWaiting) this.#view.gaveBack(turn.text, error);
      if (this.active) this.#connection.restart();
    });
  }

  // --- the message that waits ---

  #wait(turn) {
    this.#waiting = turn;
    const key = this.#key('waiting');
    if (!turn) return sessionStorage.removeItem(key);
    const { messageId, text, run } = turn;
    sessionStorage.setItem(key, JSON.stringify({ messageId, text, runId: run.id, thread: this.thread }));
  }

  // --- other tabs of this browser, which may show the same conversation ---

  #tellTabs() {
    this.#tabs.postMessage({ space: this.#space, thread: this.thread });
  }

  async #heardFromTab({ space, thread }) {
    if (space !== this.#space || thread !== this.thread || this.active) return;
    await this.#load();
    if (this.active) this.#connection.follow(this.active.run.id, this.active.run.seq);
  }
}

/** Questions with their answers. `known` are runs of which some events are here already. */
function toTurns(messages, known) {
  const answers = new Map(messages.filter((message) => !message.is_from_user).map((answer) => [answer.run_id, answer]));
  return messages
    .filter((message) => message.is_from_user)
    .map((question) => ({
      messageId: question.metadata?.client_message_id ?? question.id,
      text: question.message,
      state: 'sent',
      error: null,
      run: question.run_id && toRun(question, answers.get(question.run_id), known.get(question.run_id)),
    }));
}

function toRun(question, answer, known) {
  const isRunning = question.status === 'running';
  if (known && (known.ended || isRunning)) return known;
  return isRunning ? new Run(question.run_id) : Run.ended(question.run_id, question.status, answer);
}
