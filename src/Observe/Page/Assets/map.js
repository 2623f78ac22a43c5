// The service map: who asks at the left, services in the middle, who answers at the right. Places depend on names alone, so that nothing moves
// while figures change.
import { endName, place, rate } from '/words.js';

const SVG = 'http://www.w3.org/2000/svg';
const MOST = 24;

function draw(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shortened(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

// Columns of ends: an end that asks and answers stands on both sides.
function columnsOf(map) {
  const asks = new Set(), answers = new Set();
  for (const arrow of map.arrows) {
    asks.add(arrow.from);
    answers.add(arrow.to);
  }
  const columns = [[], [], []];
  for (const end of map.ends) {
    if (end.kind === 'service') columns[1].push(end);
    else {
      if (asks.has(end.id)) columns[0].push(end);
      if (answers.has(end.id) || !asks.has(end.id)) columns[2].push(end);
    }
  }
  const busy = end => asks.has(end.id) || answers.has(end.id);
  const order = end => `${end.kind === 'world' ? '~' : end.cluster} ${end.namespace} ${end.name}`;
  let left = 0;
  const shown = columns.map(column => {
    const kept = column.length <= MOST ? column : [...column.filter(busy), ...column.filter(end => !busy(end))].slice(0, MOST);
    left += column.length - kept.length;
    return kept.sort((a, b) => order(a) < order(b) ? -1 : 1);
  });
  return { columns: shown, left, busy };
}

function box(end, x, y, width, height, isBusy, small) {
  const letters = Math.floor((width - 14) / (small ? 7.2 : 8.2));
  const group = draw('g', { class: isBusy ? '' : 'idle' });
  const title = draw('title', {});
  title.textContent = `${endName(end)}, ${place(end)}`;
  const name = draw('text', { x: x + 8, y: y + height / 2 - 3, 'font-size': small ? 11.5 : 13, 'font-weight': 600 });
  name.textContent = shortened(small && end.namespace ? end.name : endName(end), letters);
  const sub = draw('text', { x: x + 8, y: y + height / 2 + 13, 'font-size': small ? 10.5 : 11.5, class: 'sub' });
  sub.textContent = shortened(small && end.namespace ? `${end.namespace}, ${end.cluster}` : place(end), letters + 1);
  group.append(title, draw('rect', { x, y, width, height, rx: 6, class: `end ${end.kind}` }), name, sub);
  return group;
}

export function drawMap(parent, map, explain) {
  const small = parent.clientWidth < 640;
  const width = Math.max(320, parent.clientWidth);
  const boxWidth = small ? (width - 64) / 3 : Math.min(250, (width - 300) / 3);
  const height = 42, step = small ? 54 : 64, top = 30;
  const { columns, left, busy } = columnsOf(map);
  const lefts = [0, (width - boxWidth) / 2, width - boxWidth - 1];
  const rows = Math.max(1, ...columns.map(c => c.length));
  const whole = top + rows * step + (small ? 0 : 4);
  const focused = document.activeElement?.getAttribute?.('data-key');
  const root = draw('svg', { viewBox: `0 0 ${width} ${whole}`, role: 'group', 'aria-label': 'Who speaks with whom; the list of connections below says the same' });
  for (const [id, name] of [['good', 'good-head'], ['bad', 'bad-head']]) {
    root.append(draw('marker', { id: `head-${id}`, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: 'userSpaceOnUse', orient: 'auto' },
      draw('path', { d: 'M0 0L8 4L0 8z', class: name })));
  }
  const places = columns.map(column => new Map(column.map((end, i) => [end.id, top + i * step + height / 2])));
  ['Asking', 'Services', 'Answering'].forEach((word, i) => {
    if (columns[i].length === 0) return;
    const text = draw('text', { x: lefts[i], y: 15, 'font-size': 12, class: 'column' });
    text.textContent = word;
    root.append(text);
  });

  const labels = [];
  const taken = [];
  for (const arrow of map.arrows) {
    const from = places[1].has(arrow.from) ? 1 : 0, to = places[1].has(arrow.to) ? 1 : 2;
    const y1 = places[from].get(arrow.from), y2 = places[to].get(arrow.to);
    if (y1 === undefined || y2 === undefined) continue;
    const x1 = lefts[from] + boxWidth, x2 = lefts[to] - 2, bad = arrow.dropped > 0;
    // What passes the column of services goes between its rows.
    const middle = (x1 + x2) / 2, t = from === 0 ? 0.34 : 0.66; // Words stand nearer to the end that is not shared.
    const across = to - from === 2 && columns[1].length > 0;
    const lane = Math.min(whole - 6, Math.max(top - 4, (y1 + y2) / 2 + (y1 === y2 ? step / 2 : 0)));
    const gap = (step - height) / 2;
    const snapped = top - gap + Math.max(1, Math.round((lane - top + gap) / step)) * step;
    const a = lefts[1] - 12, b = lefts[1] + boxWidth + 12;
    const path = across
      ? `M${x1} ${y1}C${(x1 + a) / 2} ${y1} ${(x1 + a) / 2} ${snapped} ${a} ${snapped}L${b} ${snapped}C${(b + x2) / 2} ${snapped} ${(b + x2) / 2} ${y2} ${x2} ${y2}`
      : `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
    const words = bad ? `${rate(arrow.dropsPerSecond)} drops/s` : `${rate(arrow.flowsPerSecond)} flows/s`;
    const names = `${endName(arrow.source)} to ${endName(arrow.target)}: ${rate(arrow.flowsPerSecond)} new flows/s, ${rate(arrow.dropsPerSecond)} drops/s`;
    const link = draw('g', { class: 'link', role: 'button', tabindex: 0, 'aria-label': names, 'data-key': `${arrow.from} ${arrow.to}` });
    const title = draw('title', {});
    title.textContent = names;
    link.append(title, draw('path', { d: path, class: 'hit' }),
      draw('path', { d: path, class: `arrow${bad ? ' bad' : ''}`, 'stroke-width': Math.min(4, 1.6 + Math.log10(1 + arrow.flowsPerSecond)), 'marker-end': `url(#head-${bad ? 'bad' : 'good'})` }));
    link.addEventListener('click', () => explain(arrow));
    link.addEventListener('keydown', event => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        explain(arrow);
      }
    });
    root.append(link);
    if (!small) {
      let y = across ? snapped + 4 : y1 + (y2 - y1) * t * t * (3 - 2 * t) + 4;
      const x = across ? (a + b) / 2 : (1 - t) ** 3 * x1 + 3 * t * (1 - t) * middle + t ** 3 * x2;
      while (taken.some(o => Math.abs(o.x - x) < 90 && Math.abs(o.y - y) < 14)) y += 14;
      taken.push({ x, y });
      const label = draw('text', { x, y, 'text-anchor': 'middle', class: `rate${bad ? ' bad' : ''}` });
      label.textContent = words;
      labels.push(label);
    }
  }
  columns.forEach((column, i) => column.forEach((end, row) => root.append(box(end, lefts[i], top + row * step, boxWidth, height, busy(end), small))));
  root.append(...labels);
  parent.replaceChildren(root);
  if (focused) [...root.querySelectorAll('g.link')].find(g => g.getAttribute('data-key') === focused)?.focus();
  return left;
}
