//! Text to [`Filter`], by recursive descent; every error says at which character.

use super::{Filter, Order};
use crate::FilterError;

/// Parentheses and `not`s inside each other.
const DEEPEST: usize = 64;
/// Bytes of an expression.
const LONGEST: usize = 1 << 16;
const WORDS: [&str; 4] = ["and", "or", "not", "in"];

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > LONGEST {
        return Err(FilterError::TooLong { bytes: text.len(), most: LONGEST });
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, end: text.chars().count(), depth: 0 };
    let filter = parser.either()?;
    match parser.next() {
        None => Ok(filter),
        Some(token) => Err(token.unexpected("`and`, `or` or the end")),
    }
}

/// A name or value as it can be written: in quotes where it must be.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty() && text.chars().all(is_word) && !is_keyword(text);
    if is_plain {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

fn is_keyword(text: &str) -> bool {
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || "_-.:/@+".contains(letter)
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// A bare word.
    Word(String),
    /// A text in quotes.
    Quoted(String),
    Sign(&'static str),
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    /// Character, from 1.
    at: usize,
}

impl Token {
    fn unexpected(&self, wanted: &'static str) -> FilterError {
        let got = match &self.kind {
            Kind::Word(text) | Kind::Quoted(text) => text.clone(),
            Kind::Sign(sign) => (*sign).to_owned(),
        };
        FilterError::Unexpected { at: self.at, got, wanted }
    }

    fn is_keyword(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(text) if text.eq_ignore_ascii_case(word))
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    const SIGNS: [&str; 9] = ["<=", ">=", "!=", "<", ">", "=", "(", ")", ","];
    let letters: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&letter) = letters.get(at) {
        let start = at;
        let kind = if letter.is_whitespace() {
            at += 1;
            continue;
        } else if letter == '"' || letter == '\'' {
            let (text, end) = quotation(&letters, at)?;
            at = end;
            Kind::Quoted(text)
        } else if is_word(letter) {
            let len = letters[at..].iter().take_while(|letter| is_word(**letter)).count();
            at += len;
            Kind::Word(letters[start..at].iter().collect())
        } else {
            let sign = SIGNS
                .into_iter()
                .find(|sign| sign.chars().eq(letters[at..].iter().copied().take(sign.len())));
            let sign = sign.ok_or(FilterError::Letter { at: at + 1, letter })?;
            at += sign.len();
            Kind::Sign(sign)
        };
        out.push(Token { kind, at: start + 1 });
    }
    Ok(out)
}

/// A text in quotes that begins at `at`, and where it ends; a backslash takes the next letter as it is.
fn quotation(letters: &[char], at: usize) -> Result<(String, usize), FilterError> {
    let (quote, mut text, mut next) = (letters[at], String::new(), at + 1);
    while let Some(&letter) = letters.get(next) {
        next += 1;
        if letter == quote {
            return Ok((text, next));
        }
        if letter == '\\' {
            text.extend(letters.get(next));
            next += 1;
        } else {
            text.push(letter);
        }
    }
    Err(FilterError::OpenQuote { at: at + 1 })
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Characters of the text.
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn wanted(&mut self, wanted: &'static str) -> Result<Token, FilterError> {
        let end = self.end + 1;
        self.next().ok_or(FilterError::Ended { at: end, wanted })
    }

    fn takes(&mut self, is: impl Fn(&Token) -> bool) -> bool {
        let found = self.peek().is_some_and(is);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.all()?];
        while self.takes(|token| token.is_keyword("or")) {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn all(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.one()?];
        while self.takes(|token| token.is_keyword("and")) {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn one(&mut self) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(FilterError::TooDeep { most: DEEPEST });
        }
        let filter = if self.takes(|token| token.is_keyword("not")) {
            Filter::Not(Box::new(self.one()?))
        } else if self.takes(|token| token.kind == Kind::Sign("(")) {
            let inner = self.either()?;
            self.sign(")", "`)`")?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn sign(&mut self, sign: &'static str, wanted: &'static str) -> Result<(), FilterError> {
        let token = self.wanted(wanted)?;
        if token.kind == Kind::Sign(sign) { Ok(()) } else { Err(token.unexpected(wanted)) }
    }

    /// A column compared with something.
    fn test(&mut self) -> Result<Filter, FilterError> {
        let column = self.text("a column")?;
        let wanted = "`=`, `!=`, `<`, `<=`, `>`, `>=` or `in`";
        let token = self.wanted(wanted)?;
        match &token.kind {
            Kind::Sign("=") => Ok(Filter::In { column, values: vec![self.text("a value")?] }),
            Kind::Sign("!=") => {
                let values = vec![self.text("a value")?];
                Ok(Filter::Not(Box::new(Filter::In { column, values })))
            }
            Kind::Sign(sign) => match Order::ALL.iter().find(|(_, other)| other == sign) {
                Some(&(order, _)) => Ok(Filter::Compare { column, order, number: self.number()? }),
                None => Err(token.unexpected(wanted)),
            },
            Kind::Word(_) if token.is_keyword("not") && self.takes(|token| token.is_keyword("in")) => {
                Ok(Filter::Not(Box::new(Filter::In { column, values: self.values()? })))
            }
            Kind::Word(_) if token.is_keyword("in") => Ok(Filter::In { column, values: self.values()? }),
            _ => Err(token.unexpected(wanted)),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, FilterError> {
        self.sign("(", "`(` and a list of values")?;
        let mut values = vec![self.text("a value")?];
        while self.takes(|token| token.kind == Kind::Sign(",")) {
            values.push(self.text("a value")?);
        }
        self.sign(")", "`,` or `)`")?;
        Ok(values)
    }

    /// A name or value.
    fn text(&mut self, wanted: &'static str) -> Result<String, FilterError> {
        let token = self.wanted(wanted)?;
        match token.kind {
            Kind::Quoted(text) => Ok(text),
            Kind::Word(text) if !is_keyword(&text) => Ok(text),
            _ => Err(token.unexpected(wanted)),
        }
    }

    fn number(&mut self) -> Result<f64, FilterError> {
        let token = self.wanted("a number")?;
        let number = match &token.kind {
            Kind::Word(text) | Kind::Quoted(text) => {
                text.parse().ok().filter(|number: &f64| number.is_finite())
            }
            Kind::Sign(_) => None,
        };
        number.ok_or_else(|| token.unexpected("a number"))
    }
}
