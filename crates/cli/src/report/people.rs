//! Users and what they are recommended: a history beside the ranked items that were made from it.

use semrank_page::{escape, fixed, isolate};
use semrank_pipeline::overview::{Past, Recommended, UserExample};

/// One card per user.
pub(super) fn cards(users: &[UserExample]) -> String {
    users.iter().map(card).collect()
}

fn card(example: &UserExample) -> String {
    let history: String = example.history.iter().map(past).collect();
    let recommendations: String = example.recommendations.iter().map(recommended).collect();
    format!(
        "<article class=\"user\">\n<h3>{user} {verdict}</h3>\n<div class=\"sides\">\n\
         <div><h4>History, oldest first</h4>\n<ol class=\"past\">\n{history}</ol></div>\n\
         <div><h4>Recommended</h4>\n<ol class=\"next\">\n{recommendations}</ol></div>\n</div>\n</article>\n",
        user = isolate(&example.user),
        verdict = verdict(example),
    )
}

fn verdict(example: &UserExample) -> String {
    match example.recommendations.iter().find(|item| item.hit) {
        Some(hit) => format!("<span class=\"tag hit\">hit at {}</span>", hit.rank),
        None => "<span class=\"tag\">next item not among these</span>".into(),
    }
}

fn past(event: &Past) -> String {
    let details: Vec<String> = [&event.action, &event.when]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| escape(text))
        .collect();
    format!(
        "<li>{}{}<small>{}</small></li>\n",
        kind(&event.kind),
        item(&event.text, &event.item),
        details.join(" · ")
    )
}

fn recommended(item_: &Recommended) -> String {
    let class = if item_.hit { " class=\"hit\"" } else { "" };
    let hit = if item_.hit { "<span class=\"tag hit\">taken next</span>" } else { "" };
    let sources: String = item_
        .sources
        .iter()
        .map(|(name, share)| format!("<span class=\"source\">{} {}</span>", escape(name), fixed(*share, 2)))
        .collect();
    format!(
        "<li value=\"{}\"{class}>{}{}<small>score {} {sources}{hit}</small></li>\n",
        item_.rank,
        kind(&item_.kind),
        item(&item_.text, &item_.item),
        fixed(item_.score, 2),
    )
}

/// The item's text, and its id.
fn item(text: &str, id: &str) -> String {
    if text.is_empty() {
        return format!("<span class=\"text\">{}</span>", isolate(id));
    }
    format!("<span class=\"text\">{}</span> <small class=\"id\">{}</small>", isolate(text), isolate(id))
}

fn kind(kind: &str) -> String {
    let class = if kind == "ad" { "ad" } else { "organic" };
    format!("<span class=\"kind {class}\">{}</span> ", escape(kind))
}
