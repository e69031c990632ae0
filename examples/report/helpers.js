// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
const $ = id => document.getElementById(id);
const text = s => { const e = document.createElement("span"); e.textContent = s; return e.innerHTML; };
const known = x => x !== null && x !== undefined;
const figure = (p, digits, factor = 1) => !p || !known(p[0]) ? "–"
  : (factor * p[0]).toFixed(digits) + (known(p[1]) ? " ± " + (factor * p[1]).toFixed(digits) : "");
const mean = a => { const b = a.filter(known); return b.length ? b.reduce((x, y) => x + y, 0) / b.length : null; };
const quantile = (a, q) => { const b = a.filter(known).sort((x, y) => x - y), at = (b.length - 1) * q, i = Math.floor(at);
  return b[i] + (at - i) * ((b[i + 1] ?? b[i]) - b[i]); };
const error = a => { const b = a.filter(known), m = mean(b); return b.length > 1 ? Math.sqrt(b.reduce((s, x) => s + (x - m) ** 2, 0) / (b.length - 1) / b.length) : null; };
