// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
function tableText(head, rows, left = 1) {
  const cell = (tag, value, i) => `<${tag} class="${i < left ? "left" : ""}">${value}</${tag}>`;
  return "<table><thead><tr>" + head.map((h, i) => cell("th", text(h), i)).join("") + "</tr></thead><tbody>" +
    rows.map(r => "<tr>" + r.map((v, i) => cell("td", v, i)).join("") + "</tr>").join("") + "</tbody></table>";
}
function table(where, head, rows, left = 1) { $(where).innerHTML = tableText(head, rows, left); }
const fold = (title, inside) => `<details><summary>${text(title)}</summary><div class="scroll">${inside}</div></details>`;
