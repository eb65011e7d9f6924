//! A page of HTML that needs no other file.

use crate::evaluate::table::Table;
pub(super) use crate::figure::escape;
use crate::figure::{Drawing, HeatMap};

/// A page, section by section.
pub(super) struct Page {
    title: String,
    body: String,
}

impl Page {
    pub(super) fn new(title: &str) -> Self {
        Self { title: escape(title), body: format!("<h1>{}</h1>\n", escape(title)) }
    }

    /// The sentence to read if only one is read.
    pub(super) fn answer(&mut self, text: &str) {
        if !text.is_empty() {
            self.body += &format!("<p class=\"answer\">{}</p>\n", escape(text));
        }
    }

    /// Facts in small letters.
    pub(super) fn facts(&mut self, facts: &[String]) {
        let facts: Vec<String> = facts.iter().map(|fact| escape(fact)).collect();
        self.body += &format!("<p class=\"facts\">{}</p>\n", facts.join("<br>\n"));
    }

    pub(super) fn notes(&mut self, notes: &[String]) {
        for note in notes {
            self.body += &format!("<p class=\"note\">Note: {}.</p>\n", escape(note));
        }
    }

    /// HTML under a heading.
    pub(super) fn section(&mut self, heading: &str, html: &str) {
        self.body += &format!("<section>\n<h2>{}</h2>\n{html}\n</section>\n", escape(heading));
    }

    /// A figure that the script draws.
    pub(super) fn drawing(&mut self, heading: &str, drawing: &Drawing) {
        match drawing {
            Drawing::HeatMap(map) => self.section(heading, &shares(map)),
            _ => {
                let json = serde_json::to_string(drawing).expect("strings and numbers serialise");
                let json = json.replace("</", "<\\/");
                let html = format!(
                    "<div class=\"drawing\"><script type=\"application/json\">{json}</script><div class=\"grid-of\"></div></div>"
                );
                self.section(heading, &html);
            }
        }
    }

    /// HTML that is folded under a summary.
    pub(super) fn details(&mut self, summary: &str, html: &str) {
        self.body += &format!("<details>\n<summary>{}</summary>\n{html}\n</details>\n", escape(summary));
    }

    /// The whole page.
    pub(super) fn to_html(&self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{} · porecast</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{}</main>\n\
             <script>\n{}{}</script>\n</body>\n</html>\n",
            self.title,
            include_str!("style.css"),
            self.body,
            include_str!("charts.js"),
            include_str!("player.js")
        )
    }
}

/// A table; columns without a value are left out.
pub(super) fn table(table: &Table) -> String {
    let is_empty = |column: usize| {
        column > 0 && table.rows.iter().all(|row| matches!(row.cells[column].as_str(), "" | "-"))
    };
    let columns: Vec<usize> = (0..table.headings.len()).filter(|&column| !is_empty(column)).collect();
    let line = |tag: &str, cells: &[String]| {
        columns.iter().map(|&column| format!("<{tag}>{}</{tag}>", escape(&cells[column]))).collect::<String>()
    };
    let rows: String = table
        .rows
        .iter()
        .map(|row| {
            let class = if row.is_baseline { " class=\"baseline\"" } else { "" };
            format!("<tr{class}>{}</tr>\n", line("td", &row.cells))
        })
        .collect();
    format!(
        "<div class=\"table\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>",
        line("th", &table.headings)
    )
}

/// Shares as a shaded table.
fn shares(map: &HeatMap) -> String {
    let columns: String = map.columns.iter().map(|name| format!("<th>{}</th>", escape(name))).collect();
    let cell = |share: &Option<f64>| {
        let share = share.filter(|share| share.is_finite());
        share.map_or_else(
            || "<td>-</td>".to_owned(),
            |share| format!("<td style=\"--share:{share:.3}\">{share:.3}</td>"),
        )
    };
    let rows: String = map
        .rows
        .iter()
        .zip(&map.shares)
        .map(|(name, shares)| {
            format!("<tr><td>{}</td>{}</tr>\n", escape(name), shares.iter().map(cell).collect::<String>())
        })
        .collect();
    format!(
        "<div class=\"table shares\"><table>\n<caption>{}</caption>\n<thead><tr><th>{} \\ {}</th>{columns}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>",
        escape(&map.title),
        escape(&map.row_axis),
        escape(&map.column_axis)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::table::Row;

    #[test]
    fn text_cannot_become_markup() {
        let mut page = Page::new("<script>alert(1)</script>");
        page.facts(&["a & \"b\"".into()]);
        let html = page.to_html();
        assert!(!html.contains("<script>alert"));
        assert!(html.contains("a &amp; &quot;b&quot;"));
    }

    #[test]
    fn columns_without_a_value_are_left_out() {
        let row = |cells: [&str; 3]| Row { cells: cells.map(str::to_owned).to_vec(), is_baseline: false };
        let html = table(&Table {
            title: String::new(),
            headings: ["", "Dice", "Hausdorff"].map(str::to_owned).to_vec(),
            rows: vec![row(["a", "0.5", "-"]), row(["b", "-", ""])],
        });
        assert!(html.contains("Dice") && !html.contains("Hausdorff"), "{html}");
    }
}
