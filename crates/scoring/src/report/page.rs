//! A page of HTML that needs no other file.
use crate::evaluate::table::Table;

/// A page, section by section.
pub(super) struct Page {
    title: String,
    body: String,
}

impl Page {
    pub(super) fn new(title: &str) -> Self {
        Self { title: escape(title), body: format!("<h1>{}</h1>\n", escape(title)) }
    }

    /// Facts under the title.
    pub(super) fn subtitle(&mut self, facts: &[String]) {
        let facts: Vec<String> = facts.iter().map(|fact| escape(fact)).collect();
        self.body += &format!("<p class=\"facts\">{}</p>\n", facts.join("<br>\n"));
    }

    /// The sentence to read if only one is read, as HTML.
    pub(super) fn lead(&mut self, html: &str) {
        self.body += &format!("<p class=\"lead\">{html}</p>\n");
    }

    pub(super) fn notes(&mut self, notes: &[String]) {
        for note in notes {
            self.body += &format!("<p class=\"note\">Note: {}.</p>\n", escape(note));
        }
    }

    pub(super) fn section(&mut self, heading: &str, html: &str) {
        self.body += &format!("<section>\n<h2>{}</h2>\n{html}\n</section>\n", escape(heading));
    }

    pub(super) fn details(&mut self, summary: &str, html: &str) {
        self.body += &format!("<details>\n<summary>{}</summary>\n{html}\n</details>\n", escape(summary));
    }

    pub(super) fn table(&mut self, table: &Table) {
        let cells = |tag: &str, cells: &[String]| {
            cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
        };
        let rows: String = table
            .rows
            .iter()
            .map(|row| {
                let class = if row.is_baseline { " class=\"baseline\"" } else { "" };
                format!("<tr{class}>{}</tr>\n", cells("td", &row.cells))
            })
            .collect();
        self.body += &format!(
            "<div class=\"table\"><table>\n<caption>{}</caption>\n<thead><tr>{}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n",
            escape(&table.title),
            cells("th", &table.headings)
        );
    }

    /// The whole page.
    pub(super) fn to_html(&self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{} · porecast</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{}</main>\n\
             <script>\n{}</script>\n</body>\n</html>\n",
            self.title,
            include_str!("style.css"),
            self.body,
            include_str!("viewer.js")
        )
    }
}

/// Text that means itself inside HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut page = Page::new("<script>alert(1)</script>");
        page.subtitle(&["a & \"b\"".into()]);
        let html = page.to_html();
        assert!(!html.contains("<script>alert"));
        assert!(html.contains("a &amp; &quot;b&quot;"));
    }
}
