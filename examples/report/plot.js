// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
const font = { family: "system-ui, -apple-system, Segoe UI, Noto Sans, DejaVu Sans, sans-serif", size: 13, color: "#1c2430" };
const base = (title, x, y, more = {}) => ({ title: { text: title, font: { ...font, size: 15 }, x: 0.01, xanchor: "left", y: 0.97 }, font, height: 400, margin: { l: 66, r: 16, t: 44, b: 56 }, paper_bgcolor: "white", plot_bgcolor: "white",
  xaxis: { title: { text: x, standoff: 8 }, gridcolor: "#eef0f3", zeroline: false, ...more.xaxis }, yaxis: { title: { text: y, standoff: 6 }, gridcolor: "#eef0f3", zeroline: false, ...more.yaxis },
  shapes: more.shapes || [], annotations: more.annotations || [], ...more.layout });
// A legend below the axis title or right of the plot, in a margin of its own; plotly itself would lay it over the axis.
const withLegend = (where, traces, layout, side) => {
  const names = traces.filter(t => t.name && t.showlegend !== false).map(t => t.name), widths = names.map(n => 42 + 6.4 * n.length), wide = Math.max(0, ...widths);
  if (side === "none" || names.length < 2) return { ...layout, showlegend: false };
  if (side === "right")
    return { ...layout, showlegend: true, height: Math.max(layout.height, 112 + 19 * names.length), margin: { ...layout.margin, r: 20 + wide }, legend: { orientation: "v", x: 1.01, xanchor: "left", y: 1, yanchor: "top", font: { size: 11.5 }, tracegroupgap: 0 } };
  const width = ($(where).clientWidth || 520) - layout.margin.l - layout.margin.r, total = widths.reduce((a, b) => a + b, 0);
  const rows = total <= 0.93 * width ? 1 : Math.min(total <= 1.1 * width ? 2 : names.length, Math.ceil(names.length / Math.max(1, Math.floor(width / wide))));
  return { ...layout, showlegend: true, height: layout.height + 19 * rows, margin: { ...layout.margin, b: layout.margin.b + 8 + 19 * rows },
    legend: { orientation: "h", x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom", font: { size: 12 }, tracegroupgap: 0 } };
};
const draw = (where, traces, layout, side = "below") => Plotly.newPlot(where, traces, withLegend(where, traces, layout, side), { displayModeBar: false, responsive: true });
// One colour and dash for each normalizer, the same in all plots. None of them is a colour of a model or of a token class.
const normalizerColours = { softmax: "#1c2430", ssmax: "#7a3e9d", "length_scaled<softmax, ssmax>": "#7a3e9d", "length_scaled<softmax, log_n>": "#b08a2e", log_n: "#b08a2e", top_k: "#128a7d", "top_k(8)": "#128a7d", entmax15: "#d9822b", sparsemax: "#c2185b" };
const otherColours = ["#5b7fb5", "#8a9a3a", "#a0616a", "#4fa3c7", "#6b5b95", "#7fae5d", "#c78fb0", "#8c6d46", "#5c8a8a", "#b5651d", "#9aa0c9", "#3f6f4f"];
const dashes = ["dash", "dot", "dashdot"];
