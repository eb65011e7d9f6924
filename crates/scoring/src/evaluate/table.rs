//! A table, for the terminal, for Markdown, CSV and HTML.

use serde::{Deserialize, Serialize};

use crate::metric::Interval;

/// Rows under headings; every row has as many cells as there are headings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Headings; the first column names the row.
    pub headings: Vec<String>,
    /// Rows.
    pub rows: Vec<Row>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Cells.
    pub cells: Vec<String>,
    /// Whether the row is a baseline.
    pub is_baseline: bool,
}

impl Table {
    /// Aligned columns for a terminal: the first to the left, numbers to the right.
    pub fn to_text(&self) -> String {
        let width = |cell: &str| cell.chars().count();
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| self.lines().map(|cells| width(&cells[column])).max().unwrap_or(0))
            .collect();
        let mut text = format!("{}\n", self.title);
        for cells in self.lines() {
            let mut line = String::new();
            for (column, (cell, &full)) in cells.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(full - width(cell));
                line += &match column {
                    0 => format!("  {cell}{padding}"),
                    _ => format!("  {padding}{cell}"),
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// A Markdown table under its title.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<String> =
            (0..self.headings.len()).map(|c| if c == 0 { "---" } else { "---:" }.to_owned()).collect();
        let rows: String = self.rows.iter().map(|row| line(&row.cells)).collect();
        format!("**{}**\n\n{}| {} |\n{rows}", self.title, line(&self.headings), rule.join(" | "))
    }

    /// Rows as columns: for many headings over few rows.
    pub fn transposed(&self) -> Self {
        let column = |c: usize| self.rows.iter().map(move |row| row.cells[c].clone());
        let line = |c: usize| std::iter::once(self.headings[c].clone()).chain(column(c)).collect::<Vec<_>>();
        let rows = (1..self.headings.len()).map(|c| Row { cells: line(c), is_baseline: false });
        Self { title: self.title.clone(), headings: line(0), rows: rows.collect() }
    }

    fn lines(&self) -> impl Iterator<Item = &[String]> {
        std::iter::once(self.headings.as_slice()).chain(self.rows.iter().map(|row| row.cells.as_slice()))
    }
}

/// A number in four significant digits or fewer, as short as it can be read.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v < 1e-4 => format!("{value:.1e}"),
        v if v < 10.0 => format!("{value:.4}"),
        v if v < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A mean and half its interval.
pub fn interval(interval: &Interval) -> String {
    let half_width = (interval.high - interval.low) / 2.0;
    match half_width > 1e-4 {
        true => format!("{} ± {}", number(interval.mean), number(half_width)),
        false => number(interval.mean),
    }
}

/// A value in words, or a dash where there is none.
pub fn or_dash<T>(value: Option<T>, words: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".into(), words)
}

/// Wall time for readers.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row =
            |name: &str, value: f64| Row { cells: vec![name.into(), number(value)], is_baseline: false };
        Table {
            title: "Scores".into(),
            headings: vec!["source".into(), "|ΔS|".into()],
            rows: vec![row("time", 0.01234), row("nothing moves", 12.0)],
        }
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(
            table().to_text(),
            "Scores\n  source           |ΔS|\n  time           0.0123\n  nothing moves    12.0\n"
        );
    }

    #[test]
    fn transposed_twice_is_the_table() {
        assert_eq!(table().transposed().headings, ["source", "time", "nothing moves"]);
        assert_eq!(table().transposed().transposed().to_text(), table().to_text());
    }

    #[test]
    fn bars_are_escaped_in_markdown() {
        assert!(table().to_markdown().contains("| source | \\|ΔS\\| |\n| --- | ---: |\n| time | 0.0123 |"));
    }
}
