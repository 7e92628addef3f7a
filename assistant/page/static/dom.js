// Elements are made here, node by node. Text stays text: nothing on this page is ever parsed as HTML.

const SVG = 'http://www.w3.org/2000/svg';

/** An element; attributes that are null or false are left out, `onclick` and its like are listened to. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** One of the symbols in index.html. Always beside a text or inside something that has a label. */
export function icon(name) {
  const image = document.createElementNS(SVG, 'svg');
  image.setAttribute('class', `icon icon-${name}`);
  image.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#icon-${name}`);
  image.append(use);
  return image;
}

export const byId = (id) => document.getElementById(id);

/** A random UUID; `crypto.randomUUID` is missing on pages that come over plain HTTP from another machine. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
