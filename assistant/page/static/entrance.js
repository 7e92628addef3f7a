// Before the conversation: signing in, and choosing a space.

import { byId, h, icon } from './dom.js';
import { t, told } from './strings.js';

/** The sign-in form, or one for a token where accounts are kept elsewhere. Resolves when somebody is signed in. */
export function askToSignIn(session, { local, notice = '' }) {
  return new Promise((resolve) => {
    const showForm = (mode) => {
      const form = MODES[mode];
      show(card(form, session, notice, () => resolve(), form.other && (() => showForm(form.other))));
    };
    showForm(local ? 'signIn' : 'token');
  });
}

const EMAIL = { name: 'email', type: 'email', autocomplete: 'username', required: true, maxlength: '320' };
const MODES = {
  signIn: {
    title: 'signInTitle', lead: 'signInLead', action: 'signIn', other: 'signUp', toOther: 'toSignUp',
    fields: [EMAIL, { name: 'password', type: 'password', autocomplete: 'current-password', required: true, maxlength: '200' }],
    submit: (session, { email, password }) => session.signIn(email.trim(), password),
  },
  signUp: {
    title: 'signUpTitle', lead: 'signUpLead', action: 'signUp', other: 'signIn', toOther: 'toSignIn',
    fields: [
      { name: 'fullName', type: 'text', autocomplete: 'name', maxlength: '200' },
      EMAIL,
      { name: 'password', type: 'password', autocomplete: 'new-password', required: true, minlength: '8', maxlength: '200', rule: 'passwordRule' },
    ],
    submit: (session, { email, password, fullName }) => session.signUp(email.trim(), password, fullName.trim()),
  },
  token: {
    title: 'signInTitle', lead: 'tokenLead', action: 'signIn',
    fields: [{ name: 'token', type: 'password', autocomplete: 'off', required: true, maxlength: '8192' }],
    submit: async (session, { token }) => session.useToken(token),
  },
};

function card({ title, lead, fields, action, toOther, submit }, session, notice, done, goToOther) {
  const problem = h('p', { class: 'problem', role: 'alert' });
  const button = h('button', { type: 'submit', class: 'primary' }, t(action));
  const form = h('form', { class: 'card' },
    h('h2', { tabindex: '-1' }, t(title)),
    h('p', { class: 'lead' }, notice || t(lead)),
    ...fields.map(field),
    problem, button,
    goToOther && h('button', { type: 'button', class: 'quiet', onclick: goToOther }, t(toOther)));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = '';
    try {
      await submit(session, Object.fromEntries(new FormData(form)));
      done();
    } catch (error) {
      problem.textContent = told(error);
      button.disabled = false;
      const wrong = { 401: 'password', 409: 'email' }[error.status];
      (form.elements.namedItem(wrong) ?? form.querySelector('input')).focus();
    }
  });
  return form;
}

function field({ name, rule, ...attributes }) {
  const id = `field-${name}`;
  return h('div', { class: 'field' },
    h('label', { for: id }, t(name)),
    h('input', { id, name, 'aria-describedby': rule && `${id}-rule`, ...attributes }),
    rule && h('p', { id: `${id}-rule`, class: 'rule' }, t(rule)));
}

/** The person's spaces; resolves with the one that was chosen. */
export function askForSpace(spaces) {
  return new Promise((resolve) => {
    const entry = (space) =>
      h('li', {}, h('button', { type: 'button', class: 'prompt', onclick: () => resolve(space) },
        h('span', { dir: 'auto' }, h('strong', {}, space.title), space.description && h('small', {}, space.description)), icon('arrow')));
    show(h('section', { class: 'card' },
      h('h2', { tabindex: '-1' }, t('spacesTitle')),
      h('p', { class: 'lead' }, t(spaces.length ? 'spacesLead' : 'noSpaces')),
      spaces.length > 0 && h('ul', { class: 'prompts', role: 'list' }, ...spaces.map(entry))));
  });
}

/** A sentence in place of everything. */
export function tell(sentence) {
  show(h('section', { class: 'card' }, h('p', { class: 'lead', role: 'alert' }, sentence)));
}

function show(content) {
  const entrance = byId('entrance');
  entrance.replaceChildren(content);
  entrance.hidden = false;
  byId('talk').hidden = true;
  (content.querySelector('input') ?? content.querySelector('h2'))?.focus();
}

export function hideEntrance() {
  byId('entrance').hidden = true;
  byId('talk').hidden = false;
}
