// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
function table(where, head, rows, left = 1) {
  const cell = (tag, value, i) => `<${tag} class="${i < left ? "left" : ""}">${value}</${tag}>`;
  $(where).innerHTML = "<table><thead><tr>" + head.map((h, i) => cell("th", text(h), i)).join("") + "</tr></thead><tbody>" +
    rows.map(r => "<tr>" + r.map((v, i) => cell("td", v, i)).join("") + "</tr>").join("") + "</tbody></table>";
}
