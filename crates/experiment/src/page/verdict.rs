//! The verdict: word, sentence, what the number says of a launch, reasons; and the figures behind it as cards.

use super::{arm, number, primary};
use crate::analysis::{Analysis, Check, Comparison, State, Verdict, Word};
use semrank_page::{UNKNOWN, card_list, counted, escape, isolate};

/// As many treatments have a card.
const CARDS: usize = 3;

/// The top of the page.
pub(super) fn section(analysis: &Analysis) -> String {
    let verdict = &analysis.verdict;
    let (class, word) = word(analysis);
    let days = days(verdict);
    format!(
        "<section id=\"verdict\" class=\"verdict {class}\" aria-label=\"Verdict\">\n<p class=\"word\">{}{days}</p>\n\
         <p class=\"sentence\">{}</p>\n{}<p class=\"estimand\"><b>What it estimates.</b> {}</p>\n</section>\n{}{}",
        escape(&word),
        escape(&verdict.sentence),
        reasons(verdict),
        escape(&verdict.estimand),
        changes(analysis),
        cards(analysis),
    )
}

/// Class of the style sheet, and the word.
fn word(analysis: &Analysis) -> (&'static str, String) {
    match analysis.verdict.word {
        Word::Invalid => ("invalid", "INVALID".into()),
        Word::Harm => ("harm", "HARM".into()),
        Word::Ship => ("ship", "SHIP".into()),
        Word::NotYet => ("wait", "NOT YET".into()),
        Word::NoEffect => (
            "none",
            match analysis.verdict.most.filter(|most| most.is_finite()) {
                Some(most) => format!("NO EFFECT ABOVE {}", number::short_share(most)),
                None => "NO EFFECT".into(),
            },
        ),
    }
}

fn days(verdict: &Verdict) -> String {
    match verdict.days.filter(|days| days.is_finite() && verdict.word == Word::NotYet) {
        Some(days) => {
            format!(" <span>about {} more</span>", counted(days.ceil().max(0.0) as usize, "day", "days"))
        }
        None => String::new(),
    }
}

fn reasons(verdict: &Verdict) -> String {
    let items: String =
        verdict.reasons.iter().map(|reason| format!("<li>{}</li>\n", escape(reason))).collect();
    if items.is_empty() { items } else { format!("<ul class=\"reasons\">\n{items}</ul>\n") }
}

/// A warning where servers used more than one definition.
fn changes(analysis: &Analysis) -> String {
    if analysis.used.len() < 2 {
        return String::new();
    }
    let dates: Vec<String> = analysis.used.iter().skip(1).map(|used| number::moment(used.time)).collect();
    format!(
        "<p class=\"alert\" role=\"alert\"><b>The definition changed during the test:</b> {}. Units before and after a change may have met \
         different treatments. The <a href=\"#settings\">settings</a> list every definition.</p>\n",
        escape(&dates.join(", ")),
    )
}

fn cards(analysis: &Analysis) -> String {
    let mut cards = Vec::new();
    if analysis.verdict.word != Word::Invalid {
        cards.extend(primary(analysis).take(CARDS).map(|(metric, found)| {
            let several = analysis.definition.arms.len() > 2;
            let name = if several {
                format!("{} · {}", isolate(&metric.name), isolate(&found.arm))
            } else {
                isolate(&metric.name)
            };
            (name, effect(found), effect_note(found))
        }));
    }
    cards.push((
        "Units that count".into(),
        number::whole(analysis.counts.exposed.iter().sum()),
        arms(analysis),
    ));
    let (value, note) = checks(&analysis.checks);
    cards.push(("Trust checks passed".into(), value, note));
    cards.push((
        "Data as of".into(),
        format!("<span class=\"date\">{}</span>", number::day(analysis.as_of)),
        progress(analysis),
    ));
    let cards: Vec<(&str, String, String)> = cards
        .iter()
        .map(|(name, value, note): &(String, String, String)| (name.as_str(), value.clone(), note.clone()))
        .collect();
    card_list(&cards)
}

fn effect(found: &Comparison) -> String {
    match (&found.relative, &found.absolute) {
        (Some(relative), _) => number::relative(relative).0,
        (None, Some(absolute)) => number::difference(absolute.value, absolute.se),
        (None, None) => UNKNOWN.into(),
    }
}

fn effect_note(found: &Comparison) -> String {
    let Some(absolute) = &found.absolute else { return found.missing.clone().unwrap_or_default() };
    let interval = found.relative.as_ref().and_then(|relative| number::relative(relative).1);
    let absolute_ends =
        || number::ends(absolute.interval, |end| number::difference(end, absolute.se)) + " absolute";
    let p = number::p_text(found.corrected_p.unwrap_or(absolute.p));
    format!("{}, {p}", interval.unwrap_or_else(absolute_ends))
}

fn arms(analysis: &Analysis) -> String {
    let exposed = analysis.counts.exposed.iter().enumerate();
    let text =
        |(at, units): (usize, &u64)| format!("{} {}", arm(&analysis.definition, at), number::whole(*units));
    exposed.map(text).collect::<Vec<_>>().join(", ")
}

fn checks(checks: &[Check]) -> (String, String) {
    let of = |state: State| checks.iter().filter(|check| check.state == state).count();
    let run = checks.len() - of(State::Skipped);
    let (failed, warnings) = (of(State::Failed), of(State::Warning));
    let note = format!(
        "{failed} failed, {}, {} skipped",
        counted(warnings, "warning", "warnings"),
        of(State::Skipped)
    );
    (format!("{} of {run}", of(State::Passed)), note)
}

/// How far the phase is.
fn progress(analysis: &Analysis) -> String {
    let definition = &analysis.definition;
    let matured = definition.matured_ms(definition.primary());
    match analysis.as_of {
        now if now < definition.end_ms() => {
            format!("exposures end on {}", number::day(definition.end_ms() - 1))
        }
        now if now < matured => format!("the last unit matures on {}", number::day(matured)),
        _ => "all units have matured".into(),
    }
}
