//! Charts as SVG. `plotters` draws them; what has a colour of [`INK`], [`FAINT`] or [`line`] gets its real one from the style
//! of the page, which knows whether it is light or dark.

use std::ops::Range;

use plotters::{
    prelude::{
        ChartBuilder, Circle, Cross, DrawingAreaErrorKind, IntoDrawingArea as _, IntoLogRange as _, LineSeries,
        SVGBackend, TriangleMarker,
    },
    style::{Color as _, IntoFont as _, RGBColor, ShapeStyle, TextStyle},
};

/// What is shown as one line; both axes are logarithmic.
pub(super) struct Line {
    /// The number of the storage.
    pub(super) storage: usize,
    pub(super) points: Vec<(f64, f64)>,
}

pub(super) struct Axis {
    pub(super) title: &'static str,
    pub(super) words: fn(f64) -> String,
}

const WIDTH: u32 = 500;
const HEIGHT: u32 = 320;
/// Of a chart of this width; it is scaled with it.
const FONT: u32 = 17;

const INK: RGBColor = RGBColor(1, 0, 0);
const FAINT: RGBColor = RGBColor(2, 0, 0);

fn line(storage: usize) -> RGBColor {
    RGBColor(3, (storage % super::html::COLOURS) as u8, 0)
}

/// The chart; empty if there is nothing to show.
pub(super) fn svg(x: &Axis, y: &Axis, lines: &[Line]) -> String {
    let mut svg = String::new();
    let shown: Vec<&Line> = lines.iter().filter(|line| !line.points.is_empty()).collect();
    if !shown.is_empty() && draw(&mut svg, x, y, &shown).is_err() {
        // Writing to a string cannot fail.
        svg.clear();
    }
    // Within HTML it says nothing, and a page that names no address is easily seen to need none.
    svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "")
}

fn draw(svg: &mut String, x: &Axis, y: &Axis, lines: &[&Line]) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let all = || lines.iter().flat_map(|line| line.points.iter());
    let xs = decades(all().map(|point| point.0));
    let ys = decades(all().map(|point| point.1));
    let area = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    let text = TextStyle::from(("sans-serif", FONT).into_font()).color(&INK);
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(34)
        .x_label_area_size(46)
        .y_label_area_size(78)
        .build_cartesian_2d(xs.log_scale(), ys.log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(FAINT.mix(0.0))
        .bold_line_style(FAINT)
        .axis_style(FAINT)
        .label_style(text.clone())
        .axis_desc_style(text)
        .x_labels(6)
        .y_labels(7)
        .x_desc(x.title)
        .y_desc(y.title)
        .x_label_formatter(&|value| (x.words)(*value))
        .y_label_formatter(&|value| (y.words)(*value))
        .draw()?;
    for shown in lines {
        let style = ShapeStyle::from(line(shown.storage)).stroke_width(2);
        let series = LineSeries::new(shown.points.iter().copied(), style);
        chart.draw_series(series)?;
        let (points, filled) = (shown.points.iter().copied(), line(shown.storage).filled());
        // Not told apart by colour alone.
        match shown.storage % 3 {
            0 => chart
                .draw_series(points.map(|point| Circle::new(point, 4, filled)))
                .map(drop),
            1 => chart
                .draw_series(points.map(|point| TriangleMarker::new(point, 6, filled)))
                .map(drop),
            _ => chart
                .draw_series(points.map(|point| Cross::new(point, 4, style)))
                .map(drop),
        }?;
    }
    area.present()
}

/// Whole powers of ten around the values, at least one.
fn decades(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    // A power of ten that is off by a rounding error is one all the same.
    let below = (low.max(1e-12).log10() + 1e-9).floor();
    let above = (high.max(1e-12).log10() - 1e-9).ceil().max(below + 1.0);
    10f64.powf(below)..10f64.powf(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(title: &'static str) -> Axis {
        Axis {
            title,
            words: |value| format!("{value}"),
        }
    }

    #[test]
    fn a_chart_has_its_lines_and_its_words() {
        let lines = [
            Line {
                storage: 0,
                points: vec![(1.0, 10.0), (100.0, 2000.0)],
            },
            Line {
                storage: 1,
                points: vec![(1.0, 20.0)],
            },
            Line {
                storage: 2,
                points: vec![],
            },
        ];
        let svg = svg(&axis("tasks"), &axis("a second"), &lines);
        for part in ["tasks", "a second", "#030000", "#030100", "\n100\n", "\n10000\n"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains("#030200") && !svg.contains("http:"), "{svg}");
    }

    #[test]
    fn nothing_is_no_chart() {
        assert_eq!(svg(&axis("x"), &axis("y"), &[]), "");
    }

    #[test]
    fn decades_hold_every_value() {
        assert_eq!(decades([3.0, 40.0].into_iter()), 1.0..100.0);
        assert_eq!(decades([10.0].into_iter()), 10.0..100.0);
        assert_eq!(decades([1.0, 1.0 / (1.0 - 0.9999)].into_iter()), 1.0..10_000.0);
    }
}
