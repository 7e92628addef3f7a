// The page, wired: who is here, which space, the conversation in it.

import { announce, silence } from './announcer.js';
import { Api } from './api.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { byId } from './dom.js';
import { askForSpace, askToSignIn, hideEntrance, tell } from './entrance.js';
import { acceptInvitation, isInvited, keepInvitation } from './invitation.js';
import { Log } from './log.js';
import { Session } from './session.js';
import { SourcePanel } from './sources.js';
import { t, told, translate } from './strings.js';

const { accounts, demo } = document.documentElement.dataset;
const CHOSEN = 'goalspace.space';
const STATES = { connecting: 'connecting', live: 'live', resuming: 'resuming', offline: 'offline', 'signed-out': 'signedOut' };

const session = new Session();
const api = new Api(session);
const composer = new Composer({ send: (text) => conversation?.send(text), stop: () => conversation?.stop() });
const panel = new SourcePanel((id) => api.get(`/api/documents/${encodeURIComponent(id)}`));
const log = new Log({
  retry: (turn) => conversation?.retry(turn),
  openSource: (citation, opener) => panel.open(citation, opener),
  ask: (text) => {
    conversation?.send(text);
    composer.focus();
  },
  proposals: async (runId) => (await api.get(`/api/actions?order=created&run_id=${encodeURIComponent(runId)}`)).items,
  settle: (id, choice) => api.post(`/api/actions/${encodeURIComponent(id)}/${choice}`),
  announce,
  previous: () => changeThread(() => conversation.returnToPrevious()),
});

/** @type {Conversation | null} */
let conversation = null;
let spaceId = null;
let welcome = null;

translate(document);
byId('new').addEventListener('click', () => changeThread(() => conversation.startNew()));
byId('leave').addEventListener('click', leave);
byId('spaces').addEventListener('click', () => enterSpace(true));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.isComposing || event.defaultPrevented) return;
  if (panel.isOpen) panel.close();
  else conversation?.stop();
});
session.onEnded = () => {
  closeConversation();
  if (demo === 'yes') tell(t('demoOver'));
  else enter(t('expired'));
};
keepInvitation();
addEventListener('hashchange', () => {
  if (keepInvitation() && session.token !== null) enterSpace(false);
});
start();

async function start() {
  if (demo !== 'yes') return enter();
  try {
    const space = await session.openDemo();
    openSpace(space.space_id, space.space_title, space);
  } catch (error) {
    tell(error.status === 404 ? t('demoOver') : told(error));
  }
}

async function enter(notice = isInvited() ? t('invited') : '') {
  if (!session.restore()) {
    showState('signed-out');
    await askToSignIn(session, { local: accounts === 'local', notice });
  }
  await enterSpace(false);
}

/** The space that was open in this tab, or the only one; else, or on demand, a choice. */
async function enterSpace(choose) {
  closeConversation();
  let refusal = '';
  try {
    const joined = await acceptInvitation(api);
    if (joined !== null) sessionStorage.setItem(CHOSEN, joined);
  } catch (error) {
    if (error.status === 401) return;
    refusal = told(error);
  }
  try {
    const spaces = await api.all('/api/spaces');
    const remembered = spaces.find((space) => space.id === sessionStorage.getItem(CHOSEN));
    const only = spaces.length === 1 ? spaces[0] : null;
    byId('spaces').hidden = spaces.length < 2;
    byId('leave').hidden = false;
    const space = (choose ? null : (remembered ?? only)) ?? (await askForSpace(spaces));
    sessionStorage.setItem(CHOSEN, space.id);
    openSpace(space.id, space.title, space.ai_mentor_config ?? {});
    if (refusal) say(refusal);
  } catch (error) {
    if (error.status !== 401) tell(told(error));
  }
}

function openSpace(id, title, { greeting, suggested_prompts: prompts }) {
  hideEntrance();
  byId('space-title').textContent = title;
  document.title = `${title} · GoalSpace`;
  const own = Array.isArray(prompts) ? prompts.filter((prompt) => typeof prompt === 'string') : [];
  welcome = {
    greeting: typeof greeting === 'string' && greeting ? greeting : t('greeting'),
    prompts: own.length ? own : [t('suggestion1'), t('suggestion2'), t('suggestion3')],
  };
  spaceId = id;
  conversation = new Conversation(api, session, id, view);
  composer.openFor(id, conversation.thread);
  byId('new').hidden = false;
  showState('connecting');
  conversation.open();
  composer.focus();
}

const view = {
  shown() {
    log.show(conversation.turns, { ...welcome, hasPrevious: conversation.hasPrevious });
    refresh();
  },
  added(turn) {
    say('');
    log.add(turn);
    refresh();
  },
  removed(turn) {
    log.remove(turn);
  },
  changed(turn) {
    log.change(turn);
    composer.stopping = Boolean(turn.run?.stopping);
  },
  ended(turn) {
    log.end(turn);
    refresh();
  },
  gaveBack(text, error) {
    composer.giveBack(text);
    say(told(error));
  },
  state: showState,
  failed: (error) => say(told(error)),
  lost() {
    closeConversation();
    sessionStorage.removeItem(CHOSEN);
    tell(t('spaceLost'));
  },
};

function refresh() {
  const { active } = conversation;
  composer.running = active !== null;
  composer.stopping = Boolean(active?.run.stopping);
  byId('new').disabled = conversation.turns.length === 0;
}

async function changeThread(change) {
  panel.close();
  say('');
  await change();
  composer.openFor(spaceId, conversation.thread);
  composer.focus();
}

function leave() {
  closeConversation();
  session.forget();
  for (const storage of [localStorage, sessionStorage]) {
    for (const key of Object.keys(storage)) if (key.startsWith('goalspace.')) storage.removeItem(key);
  }
  enter();
}

function closeConversation() {
  panel.close();
  conversation?.close();
  conversation = null;
  composer.close();
  log.clear();
  for (const id of ['new', 'leave', 'spaces', 'connection']) byId(id).hidden = true;
  byId('space-title').textContent = 'GoalSpace';
  document.title = 'GoalSpace';
  say('');
  silence();
}

// --- what the page says about itself ---

function showState(name) {
  const shown = byId('connection');
  shown.hidden = false; // it is where there is no line at all, as while a space is chosen
  const before = shown.dataset.state;
  shown.dataset.state = name;
  const words = t(name === 'live' && conversation?.overHttp ? 'liveHttp' : STATES[name]);
  byId('connection-words').textContent = words;
  if (name === 'offline' || (name === 'live' && before === 'offline')) announce(words);
}

function say(sentence) {
  byId('banner').hidden = sentence === '';
  byId('banner').textContent = sentence;
  if (sentence) announce(sentence);
}
