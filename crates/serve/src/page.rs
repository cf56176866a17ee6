//! The page at `/`: look up a user or items, see history, ranking and what scores are made of, change the history and see the ranking
//! move. Made by the server, readable without scripts; the address holds everything that was asked.

use crate::api::{App, Shared};
use crate::keys::Scope;
use crate::{Explained, Named, Problem, Service};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use semrank_page::{Row, card_list, count, counted, escape, heads, isolate, page, section, table};
use semrank_pipeline::retrieval::FieldValue;
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;

/// Items of a ranking, and of a search.
const SHOWN: usize = 20;
/// Newest events of a history that are shown.
const EVENTS: usize = 10;
/// Letters of an item's texts that are shown.
const LETTERS: usize = 160;

/// What the address asks for.
#[derive(Debug, Default, Clone, Deserialize)]
pub(crate) struct Asked {
    /// A user's id.
    #[serde(default)]
    user: String,
    /// Words, or an item's id.
    #[serde(default)]
    find: String,
    /// Ids of items, oldest first, with commas between them: in place of the user's history.
    #[serde(default)]
    history: Option<String>,
    #[serde(default)]
    filter: String,
}

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/", axum::routing::get(show))
}

async fn show(State(app): Shared, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    if let Err(problem) = app.keys.check(&headers, Scope::Rank) {
        let mut response = problem.into_response();
        // A browser asks for a name and a key, and sends them with every request of the page.
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"semrank\""));
        return response;
    }
    let figures = figures(&app);
    match app.work(1_000, move |service| Ok(whole(service, &asked, &figures))).await {
        Ok(html) => Html(html).into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn figures(app: &App) -> String {
    let service = &app.service;
    card_list(&[
        ("Users", count(service.users()), "with a history".into()),
        ("Items", count(service.items()), "that may be shown".into()),
        ("Log", count(service.ingest().as_of() as usize), "durable records".into()),
        (
            "Waiting",
            count(service.ingest().waiting()),
            format!(
                "events to be written, {} to be ranked",
                counted(app.gate.waiting(), "candidate", "candidates")
            ),
        ),
    ])
}

fn whole(service: &Service, asked: &Asked, figures: &str) -> String {
    let mut body = form(asked);
    match sections(service, asked) {
        Ok(found) => body += &found,
        Err(problem) => body += &format!("<p role=\"alert\">{}</p>\n", escape(&problem.detail)),
    }
    body += &section("live", "This server", &(figures.to_owned() + &links()));
    let lead = "What a user would see now, and why. Remove an event of the history, or add an item that you find: the ranking moves.";
    page(&service.run(), lead, &body, &format!("semrank {}", env!("CARGO_PKG_VERSION")))
}

fn links() -> String {
    "<p><a href=\"/docs\">API</a> · <a href=\"/openapi.json\">OpenAPI</a> · <a href=\"/metrics\">metrics</a></p>\n".to_owned()
}

fn form(asked: &Asked) -> String {
    let field = |name: &str, label: &str, value: &str, hint: &str| {
        format!(
            "<label>{label} <input name=\"{name}\" value=\"{}\" placeholder=\"{hint}\" autocomplete=\"off\"></label>\n",
            escape(value)
        )
    };
    let history = match &asked.history {
        Some(history) => format!("<input type=\"hidden\" name=\"history\" value=\"{}\">\n", escape(history)),
        None => String::new(),
    };
    format!(
        "<form method=\"get\" action=\"/\" class=\"ask\">\n{}{}{}{history}<button>Show</button>\n</form>\n",
        field("user", "User", &asked.user, "an id"),
        field("find", "Find items", &asked.find, "words, or an id"),
        field("filter", "Filter", &asked.filter, "kind = ad"),
    )
}

fn sections(service: &Service, asked: &Asked) -> Result<String, Problem> {
    let mut out = String::new();
    let known = (!asked.user.is_empty()).then(|| service.history(&asked.user));
    if let Some(None) = known {
        out += &format!(
            "<p role=\"status\">Nobody has seen the user {}: this is what such a user gets.</p>\n",
            isolate(&asked.user)
        );
    }
    let events = known.flatten().unwrap_or_default();
    let items: Vec<String> = match &asked.history {
        Some(history) => history.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        None => events.iter().map(|event| event.item.clone()).collect(),
    };
    if !asked.find.is_empty() {
        let found = service.search(&asked.find, SHOWN)?;
        out += &section("found", "Items found", &found_items(service, asked, &items, &found));
    }
    if !items.is_empty() {
        out += &section("history", "History, newest first", &history(service, asked, &items, &events));
    }
    let explained = service.explained(&items, Some(&asked.filter), SHOWN)?;
    out += &section("ranking", "Ranking", &ranking(service, &explained));
    out += &section("sources", "Sources", &sources(&explained));
    Ok(out)
}

/// The address with another history.
fn address(asked: &Asked, history: &[&str]) -> String {
    let pairs = [("user", asked.user.as_str()), ("filter", &asked.filter), ("history", &history.join(","))];
    let mut out = String::from("/?");
    for (at, (name, value)) in pairs.iter().enumerate() {
        let _ = write!(out, "{}{name}=", if at > 0 { "&amp;" } else { "" });
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b',' => out.push(byte as char),
                _ => _ = write!(out, "%{byte:02X}"),
            }
        }
    }
    out
}

fn texts(service: &Service, item: &str) -> String {
    let fields = service.item(item).unwrap_or_default();
    let texts: Vec<&str> = fields
        .values()
        .filter_map(|value| match value {
            FieldValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let whole = texts.join(" · ");
    let mut short: String = whole.chars().take(LETTERS).collect();
    if short.len() < whole.len() {
        short.push('…');
    }
    isolate(&short)
}

fn id(item: &str) -> String {
    format!("<span class=\"id\">{}</span>", isolate(item))
}

fn found_items(service: &Service, asked: &Asked, items: &[String], found: &[String]) -> String {
    if found.is_empty() {
        return "<p>No item has these words.</p>\n".to_owned();
    }
    let row = |item: &String| {
        let with: Vec<&str> = items.iter().chain([item]).map(String::as_str).collect();
        let add = format!("<br><small><a href=\"{}\">add to the history</a></small>", address(asked, &with));
        Row { cells: vec![id(item) + &add, texts(service, item)], best: false }
    };
    let rows: Vec<Row> = found.iter().map(row).collect();
    table("items", "", &heads(&["item", "text"]), &rows)
}

fn history(service: &Service, asked: &Asked, items: &[String], events: &[Named]) -> String {
    let own = asked.history.is_none();
    let rows = (0..items.len()).rev().take(EVENTS).map(|at| {
        let rest: Vec<&str> =
            items.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, id)| id.as_str()).collect();
        let remove = format!("<br><small><a href=\"{}\">remove</a></small>", address(asked, &rest));
        let action = if own { escape(&events[at].action) } else { String::new() };
        Row { cells: vec![id(&items[at]) + &remove, texts(service, &items[at]), action], best: false }
    });
    let rows: Vec<Row> = rows.collect();
    let hidden = items.len() - rows.len();
    let more = if hidden > 0 {
        format!("<p>and {} before</p>\n", counted(hidden, "event", "events"))
    } else {
        String::new()
    };
    table("items", "", &heads(&["item", "text", "action"]), &rows) + &more
}

fn ranking(service: &Service, explained: &Explained) -> String {
    let rows = explained.page.items.iter().zip(&explained.parts).map(|(item, parts)| {
        let sources: Vec<String> =
            item.sources.iter().map(|source| format!("{} {}", source.name, source.rank)).collect();
        let number = |value: f32| if value == 0.0 { "–".to_owned() } else { format!("{value:.2}") };
        let cells = vec![
            id(&item.item),
            texts(service, &item.item),
            format!("{:.2}", item.score),
            number(parts.network),
            number(parts.item_item),
            number(parts.content),
            number(parts.popularity + parts.kept_place),
            escape(&sources.join(", ")),
        ];
        Row { cells, best: false }
    });
    let rows: Vec<Row> = rows.collect();
    let names = [
        "item",
        "text",
        "score",
        "network",
        "items taken together, shared words",
        "content",
        "popularity, places for new items",
        "found by",
    ];
    table("items", "A score is the sum of its parts.", &heads(&names), &rows)
}

fn sources(explained: &Explained) -> String {
    let row = |source: &semrank_retrieve::SourceReport| {
        let what = source.error.clone().map_or_else(
            || counted(source.items, "candidate", "candidates"),
            |error| format!("failed: {error}"),
        );
        Row { cells: vec![escape(source.name), escape(&what), format!("{} µs", source.micros)], best: false }
    };
    let rows: Vec<Row> = explained.page.sources.iter().map(row).collect();
    table("items", "", &heads(&["source", "found", "time"]), &rows)
}
