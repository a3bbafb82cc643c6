//! Draws time by size as a small SVG with two logarithmic axes.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 40.0;
/// The dashes distinguish the lines even without colours.
const STROKES: [&str; 4] = [
    "stroke=\"#1f5fa8\"",
    "stroke=\"#1f5fa8\" stroke-dasharray=\"3 3\"",
    "stroke=\"#b5541c\"",
    "stroke=\"#b5541c\" stroke-dasharray=\"3 3\"",
];

/// One line of the chart: its name, and nanoseconds by bytes.
pub(crate) type Line = (String, Vec<(usize, f64)>);

/// Returns the chart on one line, so that Markdown accepts it.
pub(crate) fn svg(title: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let (x_min, x_max) = range(points().map(|(bytes, _)| *bytes as f64));
    let (y_min, y_max) = range(points().map(|(_, took)| *took));
    let place = |value: f64, min: f64, max: f64| (value / min).ln() / (max / min).ln();
    let x = |bytes: f64| LEFT + place(bytes, x_min, x_max) * (WIDTH - LEFT - 170.0);
    let y = |took: f64| HEIGHT - BOTTOM - place(took, y_min, y_max) * (HEIGHT - BOTTOM - 30.0);

    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" role=\"img\" aria-label=\"{title}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"currentColor\"><text x=\"{LEFT}\" y=\"14\">{title}</text>"
    );
    for (label, bytes) in
        [("51 B", 51.0), ("2 KiB", 2048.0), ("64 KiB", 65_536.0), ("1 MiB", 1_048_576.0)]
    {
        line(&mut svg, (x(bytes), y(y_min)), (x(bytes), y(y_max)));
        text(&mut svg, (x(bytes) - 12.0, HEIGHT - 22.0), label);
    }
    for (label, took) in [("1 µs", 1e3), ("10 µs", 1e4), ("100 µs", 1e5), ("1 ms", 1e6)] {
        if (y_min..=y_max).contains(&took) {
            line(&mut svg, (x(x_min), y(took)), (x(x_max), y(took)));
            text(&mut svg, (8.0, y(took) + 4.0), label);
        }
    }
    // From the top down, ordered by where the lines end, so that no two names overlap.
    let mut names: Vec<usize> = (0..lines.len()).collect();
    let end = |i: &usize| lines[*i].1.last().map_or(0.0, |(_, took)| *took);
    names.sort_by(|a, b| end(b).total_cmp(&end(a)));
    let mut lowest = 0.0;
    for i in names {
        let (name, points) = &lines[i];
        let path: String = points
            .iter()
            .map(|(bytes, took)| format!("{:.1},{:.1} ", x(*bytes as f64), y(*took)))
            .collect();
        let stroke = STROKES[i % STROKES.len()];
        write!(svg, "<polyline fill=\"none\" {stroke} points=\"{}\"/>", path.trim_end()).unwrap();
        lowest = (y(end(&i)) + 4.0).max(lowest + 14.0);
        text(&mut svg, (x(x_max) + 8.0, lowest), name);
    }
    svg + "</svg>"
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(min, max), value| (min.min(value), max.max(value)))
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    write!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"currentColor\" stroke-opacity=\"0.2\"/>").unwrap();
}

fn text(svg: &mut String, (x, y): (f64, f64), text: &str) {
    write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>").unwrap();
}
