//! Text for HTML: escaping, and numbers as people read them.

use semrank_core::plural;

/// A placeholder for what is not known or not finite.
pub const UNKNOWN: &str = "–";

/// Text that means itself inside HTML elements and quoted attributes. Control characters become spaces.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// Text from data: [`escape`]d, and its marks of writing direction reach no further than itself.
pub fn isolate(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(text))
}

/// A metric with four decimals, without the leading zero: `.0647`.
pub fn metric(value: f64) -> String {
    fixed(value, 4).replacen("0.", ".", 1)
}

/// A difference with its sign and without the leading zero: `+.0123`.
pub fn signed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return UNKNOWN.into();
    }
    let digits = fixed(value.abs(), decimals).replacen("0.", ".", 1);
    if value < 0.0 { format!("−{digits}") } else { format!("+{digits}") }
}

/// A number with a fixed number of decimals.
pub fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { UNKNOWN.into() }
}

/// A whole number in groups of three: `22,363`.
pub fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A text whose whole numbers are in groups of three: `on 10,401 rows`.
pub fn counts_in(text: &str) -> String {
    let word = |word: &str| word.parse().map_or_else(|_| word.to_owned(), count);
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A whole number before the form of a word that goes with it: `1 item`, `22,363 items`.
pub fn counted(value: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(value), plural(value, one, many))
}

/// A time span: `1 m 05 s`, `12.3 s`, `45 ms`.
pub fn seconds(value: f64) -> String {
    match value {
        v if !v.is_finite() => UNKNOWN.into(),
        v if v >= 60.0 => format!("{} m {:02} s", (v / 60.0) as u64, (v % 60.0) as u64),
        v if v >= 1.0 => format!("{v:.1} s"),
        v => format!("{:.0} ms", v * 1000.0),
    }
}

/// How much `value` is above or below `base`: `+12.3 %`.
pub fn signed_percent(value: f64, base: f64) -> String {
    let change = 100.0 * (value / base - 1.0);
    if change.is_finite() { format!("{change:+.1} %") } else { UNKNOWN.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!((metric(0.06471), metric(1.0)), (".0647".into(), "1.0000".into()));
        assert_eq!(metric(f64::NAN), "–");
        assert_eq!([0.01234, -0.5, f64::NAN].map(|value| signed(value, 4)), ["+.0123", "−.5000", "–"]);
        assert_eq!(
            ["5", "999", "1,000", "22,363"],
            [5, 999, 1_000, 22_363].map(count).each_ref().map(String::as_str)
        );
        assert_eq!([1, 1_000].map(|items| counted(items, "item", "items")), ["1 item", "1,000 items"]);
        assert_eq!(counts_in("on 10401 rows: slope 1.02"), "on 10,401 rows: slope 1.02");
        assert_eq!(seconds(65.4), "1 m 05 s");
        assert_eq!((seconds(12.34), seconds(0.0451)), ("12.3 s".into(), "45 ms".into()));
        assert_eq!((signed_percent(0.12, 0.1), signed_percent(0.1, 0.0)), ("+20.0 %".into(), "–".into()));
    }

    #[test]
    fn escaped_text_holds_no_markup() {
        assert_eq!(
            escape("<b a='1'>\"x\" & y</b>\n"),
            "&lt;b a=&#39;1&#39;&gt;&quot;x&quot; &amp; y&lt;/b&gt; "
        );
        assert_eq!(isolate("\u{202e}<"), "<bdi>\u{202e}&lt;</bdi>");
    }
}
