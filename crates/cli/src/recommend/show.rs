//! Recommendations and histories for people.

use semrank_core::{History, counted};
use semrank_data::Dataset;
use semrank_pipeline::{
    next_item::{Interest, Recommendation, Source, kind},
    overview::when,
};
use serde::Serialize;
use std::fmt::Write;

/// Longest text in a line.
const TEXT_WIDTH: usize = 90;

/// An event of a history.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PastEvent {
    item: String,
    text: String,
    kind: &'static str,
    action: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    when: String,
}

/// A history, oldest first.
pub(crate) fn past(dataset: &Dataset, history: History) -> Vec<PastEvent> {
    let event = |at: usize| {
        let item = history.items[at];
        PastEvent {
            item: dataset.catalog.name(item).to_owned(),
            text: dataset.catalog.label(item),
            kind: kind(dataset.catalog.kinds[item.index()]),
            action: dataset.actions.name(u32::from(history.actions[at].0)).to_owned(),
            when: if dataset.events.timed() { when(history.times[at]) } else { String::new() },
        }
    };
    (0..history.len()).map(event).collect()
}

/// A history as lines.
pub(crate) fn events(events: &[PastEvent]) -> String {
    let mut out = String::from("last events, oldest first\n");
    for event in events {
        let PastEvent { item, text, kind, action, when } = event;
        let _ = writeln!(out, "   - {} {} {when}", label(text, item, kind), action);
    }
    out
}

/// Interests as lines.
pub(crate) fn interests(interests: &[Interest]) -> String {
    let mut out = String::from("interests\n");
    for Interest { label, share, events, ads, items } in interests {
        let ads = if *ads > 0 { format!(", {ads} of ads") } else { String::new() };
        let events = counted(*events, "event", "events");
        let (percent, label, items) = (share * 100.0, label.join(", "), items.join(", "));
        let _ = writeln!(out, "  {percent:>3.0} %  {label}  ({events}{ads}; nearest: {items})");
    }
    if interests.is_empty() {
        out += "  none: no item engaged with has a text\n";
    }
    out
}

/// Recommendations as lines.
pub(crate) fn list(items: &[Recommendation], explain: bool) -> String {
    let mut out = String::from("recommended\n");
    for found in items {
        let label = label(&found.text, &found.item, found.kind);
        let _ = writeln!(out, "  {:>2}. {:>8.3}  {label}", found.rank, found.score);
        if !explain {
            continue;
        }
        let parts = found.parts.unwrap_or_default();
        let _ = write!(out, "                network {:.3}", parts.network);
        for (name, part) in [
            ("item-item", parts.item_item),
            ("content", parts.content),
            ("popularity", parts.popularity),
            ("seen", parts.seen),
            ("place kept for new items", parts.kept_place),
        ] {
            if part != 0.0 {
                let _ = write!(out, ", {name} {part:+.3}");
            }
        }
        out.push('\n');
        if !found.sources.is_empty() {
            let sources: Vec<String> =
                found.sources.iter().map(|source| format!("{} {}", source.name, source.rank)).collect();
            let _ = writeln!(out, "                found by {}", sources.join(", "));
        }
        for source in &found.brought_by {
            let text =
                if source.text.is_empty() { String::new() } else { format!(" {}", short(&source.text)) };
            let _ = writeln!(
                out,
                "                {:+.3} because of {}{text} ({})",
                source.score,
                source.item,
                why(source)
            );
        }
    }
    if items.is_empty() {
        out += "  nothing: every item is masked or not active\n";
    }
    out
}

/// In what way an item of the history brought another.
fn why(source: &Source) -> String {
    let parts = [("item-item", source.item_item), ("similar content", source.content)];
    let named = parts.iter().filter(|(_, part)| *part != 0.0);
    named.map(|(name, part)| format!("{name} {part:+.3}")).collect::<Vec<_>>().join(", ")
}

fn label(text: &str, item: &str, kind: &str) -> String {
    let tag = if kind == "ad" { " [ad]" } else { "" };
    if text.is_empty() { format!("{item}{tag}") } else { format!("{item}{tag}  {}", short(text)) }
}

fn short(text: &str) -> String {
    if text.chars().count() <= TEXT_WIDTH {
        return text.to_owned();
    }
    text.chars().take(TEXT_WIDTH - 1).chain(['…']).collect()
}
