# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Draws the picture of the README from the CSV files of a study.

Run       examples/study.sh
          python3 docs/pictures/study_picture.py build/study-report docs/pictures/study.svg
"""

import csv
import math
import pathlib
import sys

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#8e5ea2", "#777777"
WIDTH, HEIGHT, TOP, BOTTOM = 900, 330, 64, 270


class plot:
    """One plot: maps values to pixels and collects SVG elements."""

    def __init__(self, left, right, x_range, y_range):
        self.left, self.right, self.x_range, self.y_range = left, right, x_range, y_range
        self.parts = []

    def x(self, value):
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value):
        low, high = self.y_range
        return BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP)

    def text(self, x, y, words, anchor="middle", color="#222222", size=12, weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-size="{size}" '
                          f'font-weight="{weight}">{words}</text>')

    def line(self, points, color, width=2.0, dash=""):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        pattern = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"{pattern}/>')

    def axes(self, title, x_title, x_ticks, y_ticks):
        self.text((self.left + self.right) / 2, TOP - 24, title, size=13, weight="bold")
        for value, label in y_ticks:
            self.line([(self.left, self.y(value)), (self.right, self.y(value))], "#dddddd", 1)
            self.text(self.left - 6, self.y(value) + 4, label, "end", size=11)
        for value, label in x_ticks:
            self.text(self.x(value), BOTTOM + 17, label, size=11)
        self.text((self.left + self.right) / 2, BOTTOM + 38, x_title)

    def curve(self, points, color, dash=""):
        """points: (x, y, standard error)"""
        for x, y, error in points:
            if error > 0:
                self.line([(self.x(x), self.y(y - error)), (self.x(x), self.y(y + error))], color, 1.5)
            self.parts.append(f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3" fill="{color}"/>')
        self.line([(self.x(x), self.y(y)) for x, y, _ in points], color, dash=dash)


def rows_of(file):
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def weights_plot(rows):
    """The largest weight of a row by length, mean over the heads of the autoregressive model."""
    lengths = sorted({int(r["length"]) for r in rows})
    trained = max(int(r["length"]) for r in rows if r["range"] == "trained")
    p = plot(50, 330, (math.log2(lengths[0]), math.log2(lengths[-1])), (0, 0.45))
    p.parts.append(f'<rect x="{p.x(math.log2(trained)):.1f}" y="{TOP}" width="{p.right - p.x(math.log2(trained)):.1f}" '
                   f'height="{BOTTOM - TOP}" fill="#f3f3f3"/>')
    p.axes("Largest weight of a row, autoregressive", "number of keys", [(math.log2(n), n) for n in lengths],
           [(v / 10, f"{v / 10:.1f}") for v in range(5)])
    p.text(p.x(math.log2(trained)) + 4, TOP + 12, "beyond training", "start", GREY, 11)
    curves = [("softmax", "softmax", BLUE), ("length_scaled&lt;softmax, ssmax&gt;", "SSMax", ORANGE),
              ("length_scaled&lt;softmax, log_n&gt;", "log n", GREEN), ("top_k(8)", "top-8", PURPLE)]
    for name, label, color in curves:
        plain = name.replace("&lt;", "<").replace("&gt;", ">")
        points = []
        for n in lengths:
            heads = [float(r["mean"]) for r in rows
                     if (r["model"], r["normalizer"], int(r["length"]), r["measure"]) == ("ar", plain, n, "max_weight")]
            points.append((math.log2(n), sum(heads) / len(heads), 0))
        p.curve(points, color)
        p.text(p.right + 6, p.y(points[-1][1]) + 4, label, "start", color)
    p.line([(p.x(math.log2(n)), p.y(1 / n)) for n in lengths], GREY, 1.5, "4 3")
    p.text(p.right + 6, p.y(1 / lengths[-1]), "uniform", "start", GREY)
    return p


def accuracy_plot(rows, model, title, left, right, labels):
    """The share of correct answers by the number of hidden keys."""
    p = plot(left, right, (0, 10), (0, 100))
    p.axes(title, "keys hidden from every head", [(n, n) for n in (0, 1, 5, 10)],
           [(v, f"{v} %") for v in (0, 25, 50, 75, 100)])
    kinds = [("random keys", BLUE, ""), ("sinks", ORANGE, ""), ("sinks of the last row", ORANGE, "5 3")]
    for hidden, color, dash in kinds:
        points = sorted((int(r["keys"]), 100 * float(r["mean"]), 100 * float(r["standard_error"])) for r in rows
                        if r["model"] == model and r["hidden"] in ("nothing", hidden))
        if len(points) > 1:
            p.curve(points, color, dash)
    for x, y, words, color in labels:
        p.text(p.x(x), p.y(y), words, "start", color, 11)
    return p


def main(report, picture):
    report = pathlib.Path(report)
    answers = rows_of(report / "masking.csv")
    plots = [
        weights_plot(rows_of(report / "context_length.csv")),
        accuracy_plot(answers, "ar", "Correct, autoregressive", 450, 640,
                      [(3.4, 82, "top keys", ORANGE), (1.1, 42, "random keys", BLUE),
                       (1.6, 15, "top keys by the last row", ORANGE)]),
        accuracy_plot(answers, "mdlm", "Correct, diffusion", 700, 880,
                      [(4.2, 62, "random keys", BLUE), (2.4, 8, "top keys", ORANGE)]),
    ]
    body = "\n".join(part for p in plots for part in p.parts)
    pathlib.Path(picture).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n')


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python3 docs/pictures/study_picture.py STUDY_REPORT_FOLDER PICTURE.svg")
    main(sys.argv[1], sys.argv[2])
