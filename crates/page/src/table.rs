//! Tables: rows of cells in, HTML with captions and header cells out.

use crate::text::escape;

/// Cells are HTML; the first of a row is its header. A row marked best is highlighted.
pub struct Row {
    /// HTML.
    pub cells: Vec<String>,
    /// Whether it is highlighted.
    pub best: bool,
}

/// A table with a caption; `class` chooses its look.
pub fn table(class: &str, caption: &str, heads: &[String], rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let body: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\"><table class=\"{class}\">\n<caption><span>{caption}</span></caption>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )
}

fn row(row: &Row) -> String {
    let class = if row.best { " class=\"best\"" } else { "" };
    let cells: String = row
        .cells
        .iter()
        .enumerate()
        .map(
            |(at, cell)| {
                if at == 0 { format!("<th scope=\"row\">{cell}</th>") } else { format!("<td>{cell}</td>") }
            },
        )
        .collect();
    format!("<tr{class}>{cells}</tr>\n")
}

/// Heads of columns, escaped.
pub fn heads(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| escape(name)).collect()
}

/// A table of names and values.
pub fn pairs(caption: &str, name: &str, value: &str, rows: &[(String, String)]) -> String {
    let lines: Vec<Row> = rows
        .iter()
        .map(|(name, value)| Row { cells: vec![escape(name), escape(value)], best: false })
        .collect();
    table("pairs", &escape(caption), &heads(&[name, value]), &lines)
}

/// Remarks.
pub fn notes(notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let items: String = notes.iter().map(|note| format!("<li>{}</li>\n", escape(note))).collect();
    format!("<h3>Notes</h3>\n<ul class=\"notes\">\n{items}</ul>\n")
}
