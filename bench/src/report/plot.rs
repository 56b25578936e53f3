//! Plot of latency against offered rate for the product and the bare server, on logarithmic axes.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

use super::line::Line;
use super::run_report::RunReport;

const SIZE: (u32, u32) = (900, 540);

/// Range of the latency axis in milliseconds. Larger latencies are only in the table.
const SHOWN_MS: std::ops::Range<f64> = 0.1..1_000.0;

/// A named line through points of rate and latency.
struct Curve {
    name: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

pub(super) fn latency(report: &RunReport, path: &Path) -> Result<()> {
    let curves = curves(report);
    let rates = || curves.iter().flat_map(|curve| curve.points.iter().map(|(rate, _)| *rate));
    let (least, most) = (rates().fold(f64::MAX, f64::min), rates().fold(1.0, f64::max));
    draw(&curves, least.min(most), most, path).map_err(|error| anyhow!("the plot cannot be drawn: {error}"))
}

fn curves(report: &RunReport) -> Vec<Curve> {
    let curve = |name: &str, quantile: &str, color, of: fn(&Line) -> Option<f64>| {
        let points = report.lines().filter_map(|line| {
            let point = line.point.as_ref().filter(|point| point.curve == quantile)?;
            Some((f64::from(point.rate), of(line)?))
        });
        Curve { name: format!("{name}, {quantile}"), color, points: points.collect() }
    };
    let ours: fn(&Line) -> Option<f64> = |line| Some(line.ours.median);
    let limit: fn(&Line) -> Option<f64> = |line| Some(line.beside.as_ref()?.limit.median);
    vec![
        curve("careq-sync", "median", RGBColor(31, 119, 180), ours),
        curve("careq-sync", "p99", RGBColor(214, 39, 40), ours),
        curve("bare axum and publish", "median", RGBColor(148, 190, 220), limit),
        curve("bare axum and publish", "p99", RGBColor(235, 160, 160), limit),
    ]
}

fn draw(
    curves: &[Curve],
    least: f64,
    most: f64,
    path: &Path,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .caption("Time from when a request was due to its response", ("sans-serif", 20))
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d((least * 0.9..most * 1.1).log_scale(), SHOWN_MS.log_scale())?;
    chart
        .configure_mesh()
        .x_desc("requests offered per second")
        .y_desc("milliseconds")
        .label_style(("sans-serif", 13))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()?;
    for Curve { name, color, points } in curves {
        let style = color.stroke_width(2);
        let drawn = chart.draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?;
        drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()
}
