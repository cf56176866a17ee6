//! The page around its content: sections and cards.

use crate::text::escape;

/// A page around its content, which is HTML; the other parts are texts.
pub fn page(title: &str, lead: &str, body: &str, footer: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{style}</style>\n\
         </head>\n<body>\n<header>\n<p class=\"brand\">semrank</p>\n<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n\
         </header>\n<main>\n{body}</main>\n<footer>{footer}</footer>\n</body>\n</html>\n",
        title = escape(title),
        lead = escape(lead),
        style = include_str!("style.css"),
        footer = escape(footer),
    )
}

/// A section, or nothing where there is nothing to show.
pub fn section(id: &str, heading: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{heading}</h2>\n{body}</section>\n"
    )
}

/// Figures in cards: name, value, remark.
pub fn card_list(cards: &[(&str, String, String)]) -> String {
    let cards: String = cards
        .iter()
        .map(|(name, value, note)| {
            let note = escape(note);
            format!(
                "<div class=\"card\"><dt>{name}</dt><dd>{value}</dd><dd class=\"note\">{note}</dd></div>\n"
            )
        })
        .collect();
    if cards.is_empty() { cards } else { format!("<dl class=\"cards\">\n{cards}</dl>\n") }
}
