// Text, figures with units, and elements. What comes from flows is only ever set as text.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'class') made.className = value;
    else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter(c => c !== null && c !== undefined));
  return made;
}

export function figure(number) {
  if (number >= 1e10) return `${(number / 1e9).toFixed(1)} G`;
  if (number >= 1e7) return `${(number / 1e6).toFixed(1)} M`;
  return new Intl.NumberFormat('en').format(number);
}

export function rate(number) {
  if (number === 0) return '0';
  if (number < 0.1) return number.toFixed(2);
  return number < 100 ? number.toFixed(1) : figure(Math.round(number));
}

export const percent = share => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

export const clock = milliseconds => new Date(milliseconds).toISOString().slice(11, 23);

export const endName = end => end.namespace ? `${end.namespace}/${end.name}` : end.name;

export const place = end => ({ pod: end.cluster, service: `service, ${end.cluster}`, node: `node, ${end.cluster}`, world: 'outside the mesh' })[end.kind];

const bracketed = side => side.address.includes(':') ? `[${side.address}]` : side.address;

export const addressOf = side => side.port ? `${bracketed(side)}:${side.port}` : side.address;

// Who sends, as cmesh trace wants it: pods by name, others by address.
export const traceEnd = side => (side.kind === 'pod' ? endName(side) : bracketed(side)) + (side.port ? `:${side.port}` : '');

export const several = (number, word) => `${figure(number)} ${word}${number === 1 ? '' : 's'}`;
