// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
const $ = id => document.getElementById(id);
const text = s => { const e = document.createElement("span"); e.textContent = s; return e.innerHTML; };
const known = x => x !== null && x !== undefined;
const figure = (p, digits, factor = 1) => !p || !known(p[0]) ? "–"
  : (factor * p[0]).toFixed(digits).replace(/^-(0\.?0*)$/, "$1") + (known(p[1]) ? " ± " + (factor * p[1]).toFixed(digits) : "");
const short = x => !known(x) ? "–" : x === 0 ? "0" : Math.abs(x) >= 1000 || Math.abs(x) < 0.001 ? x.toExponential(1) : x.toPrecision(3);
const mean = a => { const b = a.filter(known); return b.length ? b.reduce((x, y) => x + y, 0) / b.length : null; };
const quantile = (a, q) => { const b = a.filter(known).sort((x, y) => x - y), index = (b.length - 1) * q, i = Math.floor(index);
  return b[i] + (index - i) * ((b[i + 1] ?? b[i]) - b[i]); };
const error = a => { const b = a.filter(known), m = mean(b); return b.length > 1 ? Math.sqrt(b.reduce((s, x) => s + (x - m) ** 2, 0) / (b.length - 1) / b.length) : null; };
// Formulas of the program's plain text, as they are printed.
const maths = s => text(s).replace(/sqrt\(2\)/g, "√2").replace(/sqrt 2/g, "√2").replace(/\beps\b/g, "ε").replace(/\bn\^(-?[\d.]*\d)/g, "n<sup>$1</sup>").replace(/N_s/g, "N<sub>s</sub>").replace(/E'|E&#39;/g, "E′");
const warningBox = all => all.length ? `<section class="missing">` + all.map(w => `<p><b>${text(w.what)}</b> ${text(w.remedy)}</p>`).join("") + "</section>" : "";
const noPlots = again => `<section class="missing"><p><b>No plots in this report</b>: the plotting library was not there when it was made. <code>cmake/setup.sh --report</code> brings it; ${again}, or name the file with <code>--plotly</code>. All tables below are complete.</p></section>`;
