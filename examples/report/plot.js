// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
const font = { family: "system-ui, -apple-system, Segoe UI, Noto Sans, DejaVu Sans, sans-serif", size: 13, color: "#1c2430" };
const base = (title, x, y, more = {}) => ({ title: { text: title, font: { ...font, size: 15 }, x: 0.01, xanchor: "left", y: 0.97 }, font, height: 370, margin: { l: 62, r: 16, t: 44, b: 90 }, paper_bgcolor: "white", plot_bgcolor: "white",
  xaxis: { title: { text: x, standoff: 6 }, gridcolor: "#eef0f3", zeroline: false, ...more.xaxis }, yaxis: { title: { text: y }, gridcolor: "#eef0f3", zeroline: false, ...more.yaxis },
  legend: { orientation: "h", x: 0, y: -0.22, yanchor: "top", font: { size: 12 }, ...more.legend }, shapes: more.shapes || [], annotations: more.annotations || [], ...more.layout });
const draw = (where, traces, layout) => Plotly.newPlot(where, traces, layout, { displayModeBar: false, responsive: true });
