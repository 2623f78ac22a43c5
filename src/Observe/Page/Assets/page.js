// What the page shows: asked every two seconds, and flows as they come. All of it for reading only.
import { addressOf, clock, element, endName, figure, percent, place, rate, several, traceEnd } from '/words.js';
import { drawMap } from '/map.js';

const $ = id => document.getElementById(id);
const MOST_ROWS = 200;
const PERIOD = 2000;
const reasons = new Map();
let status = null, stream = null, paused = false, waiting = [], skipped = 0, lastMap = null, shownWidth = 0;

const ask = async path => {
  const answer = await fetch(path, { cache: 'no-store' });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
};

function setLive(word, kind) {
  if ($('live').textContent !== word) $('live').textContent = word;
  $('live').className = `state ${kind}`;
}

function tile(name, value, note, kind = '') {
  return element('div', { class: `tile ${kind}` }, element('span', { class: 'quiet' }, name), element('strong', {}, value), element('span', { class: 'quiet' }, note));
}

function showStatus(now) {
  const drops = now.drops.reduce((sum, d) => sum + d.packets, 0);
  const sent = now.traffic.find(t => t.direction === 'EGRESS');
  const away = now.nodes.filter(n => n.reachable === false).length + now.clusters.filter(c => !c.ready).length;
  const well = now.agent.state === 'Ok';
  document.title = `${now.cluster}/${now.node}: ClusterMesh.Datapath`;
  $('title').textContent = `${now.cluster}/${now.node}`;
  $('subtitle').textContent = `ClusterMesh.Datapath ${now.version}`;
  $('tiles').replaceChildren(
    tile('Node', well ? 'well' : 'in trouble', well ? 'forwarder and flow events answer' : now.agent.message, well ? '' : 'bad'),
    tile('From pods', sent ? several(sent.packets, 'packet') : 'unknown', sent ? 'since the forwarder started' : 'the forwarder does not answer'),
    tile('Dropped', several(drops, 'packet'), drops ? `most: ${now.drops[0].words}` : 'nothing was dropped', drops ? 'warn' : ''),
    tile('Clusters', `${now.clusters.length + 1}`, away ? away === 1 ? 'a cluster or node is away' : `${away} clusters or nodes are away` : `${several(now.nodes.length, 'node')}, none known to be away`, away ? 'bad' : ''));
  $('warnings').hidden = now.warnings.length === 0;
  $('warnings').replaceChildren(element('h2', {}, 'Warnings'), element('ul', {}, ...now.warnings.map(w => element('li', {}, w))));
  showHealth(now);
  showTables(now);
  $('drops').replaceChildren(now.drops.length === 0
    ? element('p', { class: 'empty' }, 'Nothing was dropped.')
    : element('table', {}, element('tbody', {}, ...now.drops.map(d => element('tr', {},
      element('td', {}, element('button', { class: 'link', type: 'button', onclick: () => explainReason(d.reason, d.words) }, d.words)),
      element('td', { class: 'number' }, several(d.packets, 'packet')))))));
}

function showHealth(now) {
  const state = (word, kind) => element('span', { class: `state ${kind}` }, word);
  const clusters = [
    [now.cluster, 'this cluster', state(now.store.state === 'Failure' ? 'store away' : 'here', now.store.state === 'Failure' ? 'bad' : 'good')],
    ...now.clusters.map(c => [c.name, c.ready ? [several(c.nodes, 'node'), several(c.endpoints, 'endpoint'), several(c.services, 'service')].join(', ') : c.status, state(c.ready ? 'ready' : 'not ready', c.ready ? 'good' : 'bad')])];
  const row = ([name, note, mark]) => element('tr', {}, element('td', { class: 'end-name' }, name, element('small', {}, note)), element('td', { class: 'number' }, mark));
  const nodes = now.nodes.map(n => [n.name, n.problem ?? n.address,
    n.local ? state('this node', 'good') : n.reachable === undefined ? state('not tried', '') : n.reachable ? state(`${n.milliseconds ?? '?'} ms`, 'good') : state('away', 'bad')]);
  $('health').replaceChildren(element('h3', {}, 'Clusters'), element('table', {}, element('tbody', {}, ...clusters.map(row))),
    element('h3', {}, 'Nodes'), element('table', {}, element('tbody', {}, ...nodes.map(row))));
}

const tableNames = { ct4_global: 'Conntrack', snat_v4_external: 'SNAT mappings', neighbors: 'Neighbours' };

function showTables(now) {
  const fill = (name, share, words) => element('div', { class: 'fill' }, element('div', {}, element('span', {}, name), element('span', {}, words)),
    element('meter', { min: 0, max: 1, high: 0.9, value: share, 'aria-label': name }));
  const parts = [
    ...now.tables.map(t => fill(tableNames[t.name] ?? t.name, t.count / t.capacity, `${figure(t.count)} of ${figure(t.capacity)} entries`)),
    fill('Flow store', now.flows.count / now.flows.capacity, `${figure(now.flows.count)} of ${figure(now.flows.capacity)} events`),
    ...now.workers.map(w => fill(`${w.name}, busy`, w.busy, percent(w.busy)))];
  const lost = now.flows.lost ? element('p', { class: 'quiet' }, `${figure(now.flows.lost)} flow events were lost before they were read.`) : null;
  $('tables').replaceChildren(...parts, ...(lost ? [lost] : []));
}

function showMap(map) {
  lastMap = map;
  shownWidth = $('map').clientWidth;
  const ends = new Map(map.ends.map(e => [e.id, e]));
  for (const arrow of map.arrows) {
    arrow.source = ends.get(arrow.from);
    arrow.target = ends.get(arrow.to);
  }
  const left = map.ends.length === 0 ? 0 : drawMap($('map'), map, explainArrow);
  $('map').hidden = map.ends.length === 0;
  $('map-empty').hidden = map.arrows.length > 0;
  $('map-empty').textContent = `No flows in the last ${map.seconds} s: send some traffic.`;
  $('map-note').textContent = `new flows and drops a second, over the last ${Math.round(map.ratedSeconds)} s${left ? `; ${left} more without room here` : ''}`;
  const focused = $('arrows').contains(document.activeElement) ? document.activeElement.dataset.key : null;
  $('arrows').replaceChildren(...map.arrows.map(a => element('tr', {},
    element('td', { class: 'end-name' }, endName(a.source), element('small', {}, place(a.source))),
    element('td', { class: 'end-name' }, endName(a.target), element('small', {}, place(a.target))),
    element('td', { class: 'number' }, rate(a.flowsPerSecond)), element('td', { class: 'number' }, rate(a.dropsPerSecond)),
    element('td', {}, ...a.reasons.map(r => element('button', { class: 'link', type: 'button', 'data-key': `${a.from} ${a.to} ${r.reason}`, onclick: () => explainArrow(a) }, `${r.words} (${r.count}) `))))));
  if (focused) [...$('arrows').querySelectorAll('button')].find(b => b.dataset.key === focused)?.focus();
}

function open(title, ...content) {
  $('explain-content').replaceChildren(element('h2', { id: 'explain-title' }, title), ...content);
  if (!$('explain').open) $('explain').showModal();
}

const details = pairs => element('dl', {}, ...pairs.filter(([, value]) => value).flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, String(value))]));
const when = reason => reasons.get(reason)?.when ?? 'This reason is given by another datapath; its words are all that is known here.';

function explainReason(reason, words) {
  open(`${words} (${reason})`, element('p', {}, when(reason)), showOnly(reason, ''));
}

function showOnly(reason, text) {
  return element('p', {}, element('button', { type: 'button', onclick: () => {
    $('explain').close();
    $('verdict').value = '';
    $('reason').value = String(reason);
    $('q').value = text;
    follow();
    $('flows').scrollIntoView();
  } }, 'Show these flows'));
}

function explainArrow(arrow) {
  const parts = arrow.reasons.flatMap(r => [element('h3', {}, `${r.words} (${r.reason}): ${r.count} of ${arrow.dropped} drops`), element('p', {}, when(r.reason)), showOnly(r.reason, arrow.source.name.split(' ').at(-1))]);
  open(`${endName(arrow.source)} to ${endName(arrow.target)}`,
    details([['From', place(arrow.source)], ['To', place(arrow.target)], ['New flows', `${rate(arrow.flowsPerSecond)}/s`], ['Drops', `${rate(arrow.dropsPerSecond)}/s`], ['Last event', `${clock(arrow.last)} UTC`]]),
    ...(parts.length ? parts : [element('p', {}, 'Nothing was dropped between them in this time.')]));
}

const protocolOption = { TCP: '', UDP: ' --protocol udp', SCTP: ' --protocol sctp', ICMPv4: ' --protocol icmp', ICMPv6: ' --protocol icmp' };

function explainFlow(flow) {
  const from = flow.source, to = flow.destination;
  const dropped = flow.reason !== undefined;
  const side = s => [endName(s), addressOf(s) === endName(s) ? '' : addressOf(s), s.identity ? `identity ${s.identity}` : '', place(s)].filter(Boolean).join(', ');
  open(dropped ? `${flow.words} (${flow.reason})` : `${flow.verdict} at ${flow.event}`,
    element('p', {}, dropped ? when(flow.reason) : flow.verdict === 'TRANSLATED' ? 'The packet was for a service; it went on to one of its backends.' : 'The packet went on its way.'),
    details([['From', side(from)], ['To', side(to)], ['Packet', `${flow.summary || flow.protocol}, ${flow.length} bytes${flow.reply ? ', an answer' : ''}`], ['Interface', flow.interface], ['Time', `${clock(flow.time)} UTC`],
      ['Labels of the sender', from.labels.join(', ')], ['Labels of the receiver', to.labels.join(', ')]]),
    element('h3', {}, 'Ask further'),
    element('pre', {}, `cmesh trace --from ${traceEnd(from)} --to ${addressOf(to)}${protocolOption[flow.protocol] ?? ''}${from.kind === 'pod' ? ` --context ${from.cluster}` : ''}`),
    element('pre', {}, `cmesh --node ${status?.node ?? ''} observe --ip ${to.address}${dropped ? ' --verdict DROPPED' : ''} --last 20`));
}

const endCell = side => element('td', { class: 'end-name' }, side.kind === 'world' ? addressOf(side) : side.port ? `${endName(side)}:${side.port}` : endName(side), element('small', {}, place(side)));

function row(flow) {
  const words = flow.words ?? `${flow.event}${flow.summary ? `, ${flow.summary}` : ''}`;
  const made = element('tr', { 'data-id': flow.id }, element('td', {}, clock(flow.time)), endCell(flow.source), endCell(flow.destination),
    element('td', {}, element('button', { class: 'link', type: 'button', onclick: () => explainFlow(flow) }, words)),
    element('td', {}, element('span', { class: `verdict ${flow.verdict}` }, flow.verdict)));
  if (flow.words === undefined) made.querySelector('button').classList.add('plain');
  return made;
}

// Rows stand still while somebody reads them.
const isRead = () => paused || $('rows-region').scrollTop > 0 || $('rows').matches(':hover') || $('rows').contains(document.activeElement) || $('explain').open;

function flush() {
  if (waiting.length > 0 && !isRead()) {
    $('rows').prepend(...waiting.reverse().map(row));
    waiting = [];
    while ($('rows').rows.length > MOST_ROWS) $('rows').deleteRow(-1);
  }
  note();
}

function note() {
  const parts = [];
  if (waiting.length) parts.push(`${waiting.length >= MOST_ROWS ? `${MOST_ROWS} and more` : waiting.length} new, shown when you go on`);
  if (skipped) parts.push(`${figure(skipped)} skipped: more than can be read`);
  const words = parts.join('; ') || `${$('rows').rows.length} shown, newest first`;
  if ($('flows-note').textContent !== words) $('flows-note').textContent = words;
  $('rows-empty').hidden = $('rows').rows.length > 0;
  $('rows-empty').textContent = $('q').value || $('verdict').value || $('reason').value ? 'No flow matches these filters.' : 'No flows yet: send some traffic.';
}

function accept(flows) {
  const known = Math.max(-1, ...waiting.map(f => f.id), ...[...$('rows').rows].slice(0, 1).map(r => Number(r.dataset.id)));
  waiting = [...waiting, ...flows.filter(f => f.id > known)].slice(-MOST_ROWS);
  flush();
}

// The stream first, then what was before: nothing falls between, and what comes twice is known by its number.
function follow() {
  stream?.close();
  const query = new URLSearchParams({ q: $('q').value, verdict: $('verdict').value, reason: $('reason').value });
  const mine = stream = new EventSource(`/data/stream?${query}`);
  let early = [], isLoaded = false;
  mine.onopen = async () => {
    setLive('live', 'good');
    try {
      const before = await ask(`/data/flows?last=${MOST_ROWS}&${query}`);
      if (mine !== stream) return;
      waiting = [];
      skipped = 0;
      $('rows').replaceChildren(...before.flows.reverse().map(row));
      isLoaded = true;
      accept(early);
    } catch (fault) {
      $('flows-note').textContent = fault.message;
    }
  };
  mine.onmessage = message => {
    const part = JSON.parse(message.data);
    skipped += part.skipped;
    if (isLoaded) accept(part.flows);
    else early.push(...part.flows);
  };
  mine.onerror = () => {
    isLoaded = false;
    early = [];
    setLive('no answer, trying again', 'bad');
  };
}

async function look() {
  try {
    status = await ask('/data/status');
    showStatus(status);
    if (!paused) showMap(await ask('/data/map?seconds=60'));
  } catch {
    setLive('no answer, trying again', 'bad');
  }
  setTimeout(look, PERIOD);
}

function soon(work, rest) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, rest);
  };
}

$('q').addEventListener('input', soon(follow, 250));
$('verdict').addEventListener('change', follow);
$('reason').addEventListener('change', follow);
$('filters').addEventListener('submit', event => event.preventDefault());
$('clear').addEventListener('click', () => {
  $('filters').reset();
  follow();
});
$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', paused);
  $('pause').textContent = paused ? 'Go on' : 'Pause';
  flush();
});
setInterval(flush, 500);
window.addEventListener('resize', soon(() => lastMap && shownWidth !== $('map').clientWidth && showMap(lastMap), 150));

for (const r of (await ask('/data/reasons')).reasons) {
  reasons.set(r.reason, r);
  $('reason').append(element('option', { value: r.reason }, `${r.words} (${r.reason})`));
}
follow();
look();
