// What page and sides share. Whatever came over the wire goes into the page as
// text, never as HTML.

export const find = (id) => document.getElementById(id);
export const clock = (ms) => new Date(ms ?? Date.now()).toLocaleTimeString();

export function make(tag, name, ...children) {
  const element = document.createElement(tag);
  element.className = name;
  element.append(...children);
  return element;
}

// append adds to a list that keeps its newest entries, and shows the newest
// unless the reader has scrolled back.
export function append(list, item, kept) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(item);
  while (list.childElementCount > kept) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}
